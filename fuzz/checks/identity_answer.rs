//! The answer of a machine's endpoint: what is taken for a token is one to MSAL (msal 1.39.0, `managed_identity.py`), dated by the
//! field that it goes by.

use azward::secret::Secret;
use azward::tokens::read_identity_answers;

use super::json::{Json, NotRead};

const NOW: i64 = 1_760_000_000;

/// Checks one body as each kind of endpoint's; says whether it was understood.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let document = Json::read(&String::from_utf8_lossy(bytes));
    if document == Err(NotRead::TooDeep) {
        return false;
    }
    let answers = read_identity_answers(&Secret::new(bytes.to_vec()), NOW);
    let mut is_understood = false;
    for (answer, (field, begin)) in answers.into_iter().zip([("expires_in", NOW), ("expires_on", 0)]) {
        let Some((token, expires_on)) = answer else { continue };
        let document = document.as_ref().expect("MSAL would raise").in_python();
        assert!(matches!(document, Json::Object(_)), "MSAL would want a dictionary");
        let text = document.get_text("access_token").expect("MSAL would take it for a refusal");
        assert!(!text.is_empty() && format!("\"{text}\"") == token.expose_text());
        let number = match document.get(field).expect("MSAL goes by it") {
            Json::Word(word) => word.clone(),
            other => other.as_text().expect("int() takes no other"),
        };
        assert_eq!(number.parse::<i128>().expect("int() would raise") + i128::from(begin), i128::from(expires_on));
        assert!(expires_on > NOW);
        is_understood = true;
    }
    is_understood
}
