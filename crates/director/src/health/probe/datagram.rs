//! `UDP_CHECK`: a datagram, and an answer or no refusal.

use super::Errand;
use super::connect;
use model::health::UdpProbe;
use protocols::health::Outcome;
use std::time::Duration;

/// Largest answer that is read.
const LARGEST: usize = 65_535;

pub(super) async fn exchange(task: &Errand<'_>, probe: &UdpProbe) -> Result<Outcome, String> {
    let socket = connect::datagrams(task).await?;
    let payload = probe.payload.clone().unwrap_or_else(|| b"xlvs".to_vec());
    socket.send(&payload).await.map_err(connect::explain)?;
    let mut answer = vec![0; LARGEST];
    let Some(wanted) = &probe.reply else {
        // Silence is well: it is a refusal that is waited for, a little less long than the check may take.
        let patience = task.check.pace.timeout.saturating_sub(Duration::from_millis(20));
        return match tokio::time::timeout(patience, socket.recv(&mut answer)).await {
            Ok(Err(error)) => Err(connect::explain(error)),
            Ok(Ok(_)) | Err(_) => Ok(Outcome::Success),
        };
    };
    let length = socket.recv(&mut answer).await.map_err(connect::explain)?;
    answer.truncate(length);
    judge(&answer, wanted, probe.shortest, probe.longest).map(|()| Outcome::Success)
}

/// Whether an answer is as it should be: half byte by half byte, as far as both go.
fn judge(answer: &[u8], wanted: &[Option<u8>], shortest: u16, longest: u16) -> Result<(), String> {
    let length = answer.len();
    if length < usize::from(shortest) || length > usize::from(longest) {
        return Err(format!("an answer of {length} bytes, not {shortest} to {longest}"));
    }
    let halves = answer.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let differs = halves.zip(wanted).any(|(found, wanted)| wanted.is_some_and(|wanted| wanted != found));
    if differs { Err("the answer is another".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged() {
        let wanted = [Some(1), Some(2), None, Some(15)];
        assert_eq!(judge(&[0x12, 0x3f, 0x99], &wanted, 2, 64), Ok(()));
        assert_eq!(judge(&[0x12], &wanted, 0, 64), Ok(()));
        assert!(judge(&[0x12, 0x30], &wanted, 0, 64).is_err());
        assert!(judge(&[0x12], &wanted, 2, 64).is_err());
        assert!(judge(&[0; 65], &[], 0, 64).is_err());
    }
}
