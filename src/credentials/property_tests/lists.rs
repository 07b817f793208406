//! Lists of service principals as az writes them, and as nobody does: other layouts, other members, certificates and secrets, escapes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::Format;
use crate::credentials::service_principals::ServicePrincipals;

/// The format.
pub(super) struct Lists;

impl Format for Lists {
    type Document<'t> = ServicePrincipals<'t>;

    fn parse(text: &str) -> ServicePrincipals<'_> {
        ServicePrincipals::parse(text).unwrap()
    }
}

/// What a renewed secret begins with.
const SECRET: &str = "s-";

/// The same list with other secrets.
pub(super) fn renewed(list: &str) -> String {
    list.replace(SECRET, "renewed-")
}

/// A list, its members in any order and its principals apart.
pub(super) fn list() -> impl Strategy<Value = String> {
    let secret = "[!-!#-\\[\\]-~]{1,30}(\\\\u00e9)?".prop_map(|text| format!("\"{SECRET}{text}\""));
    let way = prop_oneof![
        secret.clone().prop_map(|secret| format!("\"client_secret\": {secret}")),
        secret.prop_map(|secret| format!("\"client_\\u0061ssertion\":{secret}")),
        "[a-z/]{1,9}".prop_map(|path| format!("\"certificate\": \"/{path}\", \"use_cert_sn_issuer\": true")),
        Just("\"client_secret\": \"\"".to_owned()),
        Just("\"client_secret\" : null".to_owned()),
    ];
    let order = Just([0, 1, 2, 3]).prop_shuffle();
    let entry = (way, "[ \n]{0,4}", order, "(\\[1\\.50, null\\]|\\{\"client_secret\": \\{\\}\\}|\"x\")");
    (vec(entry, 0..5), "[ \n]{0,2}").prop_map(|(entries, blank)| {
        let entry = |(place, (way, space, order, more)): (usize, &(String, String, [usize; 4], String))| {
            let (client, tenant) = (format!("\"client_id\": \"c{place}\""), "\"tenant\": \"t\"".to_owned());
            let members = [client, tenant, way.clone(), format!("\"from_tomorrow\": {more}")];
            let members: Vec<String> = order.iter().map(|at| format!("{space}{}", members[*at])).collect();
            format!("{{{}{space}}}", members.join(","))
        };
        let entries: Vec<String> = entries.iter().enumerate().map(entry).collect();
        format!("{blank}[{blank}{}{blank}]{blank}", entries.join(","))
    })
}
