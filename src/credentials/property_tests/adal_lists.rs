//! Lists of ADAL's tokens as az writes them, and as nobody does: users and service principals, other layouts, other members, escapes,
//! secrets that are blank or missing.

use proptest::collection::vec;
use proptest::prelude::*;

use super::Format;
use crate::credentials::adal::AdalTokens;

/// The format.
pub(super) struct AdalLists;

impl Format for AdalLists {
    type Document<'t> = AdalTokens<'t>;

    fn parse(text: &str) -> AdalTokens<'_> {
        AdalTokens::parse(text, "accessTokens.json").unwrap()
    }
}

/// Who an entry is of and its secret, the space between members, which of them comes first, and another member.
type Parts = ((&'static str, String), String, bool, String);

/// What a secret begins with.
const SECRET: &str = "s-";

/// The same list with other secrets.
pub(super) fn renewed(list: &str) -> String {
    list.replace(SECRET, "renewed-")
}

/// A list, its members in any order; entries of one user among them.
pub(super) fn adal_list() -> impl Strategy<Value = String> {
    let secret = || {
        prop_oneof![
            "[!-!#-\\[\\]-~]{16,30}(\\\\u00e9)?".prop_map(|text| format!("{SECRET}{text}")),
            Just(String::new())
        ]
    };
    let user = secret()
        .prop_map(|secret| ("userId", format!("\"refresh\\u0054oken\" : \"{secret}\", \"accessToken\": \"a\"")));
    let principal = secret().prop_map(|secret| ("servicePrincipalId", format!("\"accessToken\": \"{secret}\"")));
    let certificate = Just(("servicePrincipalId", "\"certificateFile\": \"/k.pem\", \"thumbprint\": \"x\"".to_owned()));
    let entry = (
        prop_oneof![user, principal, certificate],
        "[ \n]{0,4}",
        any::<bool>(),
        "(\\[1\\.50, null\\]|\\{\"a\": \\{\\}\\}|\"x\")",
    );
    (vec(entry, 0..5), "[ \n]{0,2}").prop_map(|(entries, blank)| {
        let entry = |(place, ((who, secret), space, first, more)): (usize, &Parts)| {
            let name = format!(
                "\"{who}\": \"u{}\", \"resource\": \"r{place}\", \"servicePrincipalTenant\": \"t{place}\"",
                place / 2
            );
            let (one, other) = if *first { (&name, secret) } else { (secret, &name) };
            format!("{{{space}{one},{space}{other}, \"from_yesterday\": {more}{space}}}")
        };
        let entries: Vec<String> = entries.iter().enumerate().map(entry).collect();
        format!("{blank}[{blank}{}{blank}]{blank}", entries.join(","))
    })
}
