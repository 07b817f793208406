//! The native answers: where the real az would say nothing else, and then byte for byte what it prints. In every doubt: no
//! answer, and the real az is asked.

mod facts;
mod form;
mod token;

pub(crate) use facts::answer as facts;
pub(crate) use token::{Answer, Answered, ExpiresOn, answer as token};
