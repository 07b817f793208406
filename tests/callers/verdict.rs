//! Whether a caller is worse off with azward than with the bare az: fewer have a token, it is older, it comes later, or
//! what is said of one that cannot be had is something else; and whether either was given a token that it had not asked for.

use std::time::Duration;

use crate::scenario::Outcome;

/// How much later an answer may come than az's on a machine that has better things to do.
const LATER: Duration = Duration::from_secs(3);

/// What there is to say against it, in words: what is worse, and what is wrong with either, or with what is asked of it.
pub(crate) fn findings(ours: &Outcome, theirs: &Outcome) -> Vec<String> {
    let wrong = [("", ours), ("with the bare az, ", theirs)].map(|(whose, outcome)| {
        let what = outcome.wrong.as_ref()?;
        Some(format!("{whose}{what}"))
    });
    worse(ours, theirs).into_iter().chain(wrong.into_iter().flatten()).collect()
}

fn worse(ours: &Outcome, theirs: &Outcome) -> Option<String> {
    if ours.served() < theirs.served() {
        let why = ours.complaint().unwrap_or_default();
        return Some(format!("{} have a token, with the bare az {}: {why}", ours.served(), theirs.served()));
    }
    if let (Some(our), Some(their)) = (ours.minutes_left(), theirs.minutes_left())
        && our < their - 1
    {
        return Some(format!("the token has {our} minutes left, the bare az's {their}"));
    }
    if ours.took > theirs.took + LATER {
        return Some(format!("it took {:?}, with the bare az {:?}", ours.took, theirs.took));
    }
    if ours.served() == 0 && ours.complaint() != theirs.complaint() {
        return Some(format!("it says {:?}, with the bare az {:?}", ours.complaint(), theirs.complaint()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(served: usize, expires_on: i64, complaint: &str, seconds: u64) -> Outcome {
        let mut answers = vec![Ok(("token".to_owned(), Some(expires_on))); served];
        answers.resize(3, Err(complaint.to_owned()));
        Outcome { answers, wrong: None, took: Duration::from_secs(seconds), requests: 0 }
    }

    #[test]
    fn what_is_worse_is_found() {
        let late = 4_000_000_000;
        let az = outcome(2, late, "no", 5);
        for (ours, is_worse) in [
            (outcome(2, late, "other", 5), false),
            (outcome(3, late, "no", 1), false),
            (outcome(1, late, "no", 5), true),
            (outcome(2, late - 600, "no", 5), true),
            (outcome(2, late, "no", 9), true),
        ] {
            assert_eq!(worse(&ours, &az).is_some(), is_worse, "{ours:?}");
            let wrong = Outcome { wrong: Some("a token of another".to_owned()), ..ours };
            assert_eq!(findings(&wrong, &az).len(), 1 + usize::from(is_worse), "{wrong:?}");
            assert_eq!(findings(&az, &wrong).last().unwrap(), "with the bare az, a token of another");
        }
        let refused = |complaint: &str| outcome(0, 0, complaint, 1);
        let id = "0b5f0c51-1c1e-4b56-8f3e-0c5b8b4f7d11";
        assert!(worse(&refused(&format!("no: {id}")), &refused("no: 2026-11-29T02:41:54Z")).is_none());
        assert!(worse(&refused("no"), &refused("no, and why")).is_some());
    }
}
