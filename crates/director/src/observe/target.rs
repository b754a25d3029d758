//! One real-server address: what was seen of it last, and what that means after what was known before.

use super::sight::{Route, Sight, Why};
use model::Hop;
use std::time::{Duration, Instant};

/// How long a server whose next hop the kernel is asking for again is still sent to: as long as the kernel asks.
const PATIENCE: Duration = Duration::from_secs(4);

/// A real-server address that is watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) route: Route,
    pub(super) sight: Sight,
    /// The next hop that answered last, while it may still be used, and since when it is asked for again.
    last: Option<Hop>,
    asked_since: Option<Instant>,
}

impl Target {
    /// What was known before anything was seen.
    pub(super) fn remembered(hop: Hop, now: Instant) -> Self {
        Self { route: Route::None, sight: Sight::Pending, last: Some(hop), asked_since: Some(now) }
    }

    /// What `sight` means after what was known before.
    pub(super) fn following(before: Option<Self>, route: Route, sight: Sight, now: Instant) -> Self {
        let (last, asked_since) = before.map_or((None, None), |before| (before.last, before.asked_since));
        let lost = Sight::Lost(Why::NoAnswer);
        // Asking again is not an answer: who did not answer stays lost until then.
        let still_lost = sight == Sight::Pending && before.is_some_and(|it| it.sight == lost && it.route == route);
        let sight = if still_lost { lost } else { sight };
        let (last, asked_since) = match sight {
            Sight::Via(hop) => (Some(hop), None),
            Sight::Pending => {
                let since = asked_since.unwrap_or(now);
                let patient = now.saturating_duration_since(since) < PATIENCE;
                // Asked on another link than before: what was known is worth nothing.
                let same = |hop: &Hop| matches!(route, Route::Via { interface, .. } if interface == hop.interface);
                let last = last.filter(|hop| patient && same(hop));
                (last.map(|hop| Hop { address: route.address(), ..hop }), Some(since))
            }
            Sight::Local | Sight::Lost(_) => (None, None),
        };
        Self { route, sight, last, asked_since }
    }

    /// How the server is reached: as seen, or as it was until the kernel has finished asking.
    pub(super) fn effective(&self) -> Sight {
        match (self.sight, self.last) {
            (Sight::Pending, Some(hop)) => Sight::Via(hop),
            (sight, _) => sight,
        }
    }
}
