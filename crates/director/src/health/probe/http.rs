//! `HTTP_GET` and `SSL_GET`: one page.

use super::Errand;
use super::ration::{Ration, Rationed, explain};
use super::{connect, tls};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use model::health::{HttpProbe, HttpVersion, Page};
use protocols::health::Outcome;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// Largest page that is looked at.
const LARGEST: usize = 4 << 20;

pub(super) async fn fetch(
    task: &Errand<'_>,
    probe: &HttpProbe,
    page: usize,
    stream: Rationed,
) -> Result<Outcome, String> {
    let page = probe.pages.get(page).or(probe.pages.first()).ok_or("no page to look at")?;
    let ration = stream.ration();
    let (status, body) = if probe.tls {
        let name = page.host.as_deref().filter(|_| probe.server_name_indication);
        let stream = tls::handshake(stream, name, tls::Speaks::Http1).await?;
        exchange(task, probe, page, stream, &ration).await?
    } else {
        exchange(task, probe, page, stream, &ration).await?
    };
    judge(page, status, &body).map(|()| Outcome::Success).map_err(|why| format!("{}: {why}", page.path))
}

/// One request and its answer. The connection is closed when this ends, however it does.
async fn exchange<S>(
    task: &Errand<'_>,
    probe: &HttpProbe,
    page: &Page,
    stream: S,
    ration: &Ration,
) -> Result<(u16, Vec<u8>), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| explain(&error))?;
    let answer = async {
        let request = request(task, probe, page)?;
        let answer = sender.send_request(request).await.map_err(|error| explain(&error))?;
        // A page in the smallest of chunks takes some more than its size.
        ration.grant(LARGEST * 2);
        let status = answer.status().as_u16();
        Ok((status, collect(answer.into_body()).await?))
    };
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The server has closed: what it said is all there.
        _ = connection => answer.await,
    }
}

fn request(task: &Errand<'_>, probe: &HttpProbe, page: &Page) -> Result<Request<Empty<Bytes>>, String> {
    let target = connect::asked(task);
    let host = page.host.clone().unwrap_or_else(|| match target.port() {
        80 | 443 => target.ip().to_string(),
        _ => target.to_string(),
    });
    let version = if probe.version == HttpVersion::V11 { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut builder = Request::builder().method("GET").uri(&page.path).version(version);
    builder = builder.header(HOST, host).header(USER_AGENT, concat!("xlvs/", env!("CARGO_PKG_VERSION")));
    if probe.version != HttpVersion::V10 {
        builder = builder.header(CONNECTION, "close");
    }
    builder.body(Empty::new()).map_err(|error| format!("{} cannot be asked for: {error}", page.path))
}

async fn collect(mut body: hyper::body::Incoming) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the answer breaks off: {}", explain(&error)))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data.as_ref()));
        if bytes.len() > LARGEST {
            return Err(format!("the page is larger than {LARGEST} bytes"));
        }
    }
    Ok(bytes)
}

/// Whether a page is as it should be.
fn judge(page: &Page, status: u16, body: &[u8]) -> Result<(), String> {
    if !page.status.iter().any(|(first, last)| (*first..=*last).contains(&status)) {
        return Err(format!("status {status}, wanted {}", wanted(&page.status)));
    }
    if let Some(digest) = &page.digest {
        let found: String = Md5::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        if found != *digest {
            return Err(format!("MD5 sum {found}, not {digest}"));
        }
    }
    let Some(wanted) = &page.body else { return Ok(()) };
    let regex = wanted.regex()?;
    let start = wanted.first.min(body.len());
    let found = regex.find_at(body, start).is_some_and(|found| wanted.last.is_none_or(|last| found.start() <= last));
    match (found, wanted.inverted) {
        (true, true) => Err("the body matches what it must not".to_owned()),
        (false, false) => Err("the body does not match".to_owned()),
        _ => Ok(()),
    }
}

/// `204 or 300-304`.
fn wanted(status: &[(u16, u16)]) -> String {
    let ranges = status.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    ranges.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::health::BodyMatch;

    fn page() -> Page {
        Page { path: "/".into(), host: None, status: vec![(200, 299), (304, 304)], digest: None, body: None }
    }

    #[test]
    fn pages_are_judged() {
        assert_eq!(judge(&page(), 204, b""), Ok(()));
        assert_eq!(judge(&page(), 304, b""), Ok(()));
        assert_eq!(judge(&page(), 500, b""), Err("status 500, wanted 200-299 or 304".into()));
        let digest = Page { digest: Some("900150983cd24fb0d6963f7d28e17f72".into()), ..page() };
        assert_eq!(judge(&digest, 200, b"abc"), Ok(()));
        assert!(judge(&digest, 200, b"abd").is_err());
    }

    #[test]
    fn bodies_match_within_their_bounds() {
        let with = |body: BodyMatch| Page { body: Some(body), ..page() };
        let ok = BodyMatch { pattern: "ok".into(), ..BodyMatch::default() };
        assert_eq!(judge(&with(ok.clone()), 200, b"all ok"), Ok(()));
        assert!(judge(&with(BodyMatch { inverted: true, ..ok.clone() }), 200, b"all ok").is_err());
        assert!(judge(&with(BodyMatch { last: Some(3), ..ok.clone() }), 200, b"all ok").is_err());
        assert!(judge(&with(BodyMatch { first: 5, ..ok }), 200, b"all ok").is_err());
    }
}
