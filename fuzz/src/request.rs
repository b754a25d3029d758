//! Requests as the API's clients send them.

use api::Request;

pub(crate) fn run(data: &[u8]) {
    let Ok(request) = serde_json::from_slice::<Request>(data) else { return };
    let json = serde_json::to_vec(&request).unwrap_or_else(|error| panic!("{error} in {request:?}"));
    let again = serde_json::from_slice::<Request>(&json).unwrap_or_else(|error| panic!("{error} in {request:?}"));
    assert_eq!(again, request, "written and read again");
}
