//! Access tokens: which one a command uses, where the token cache has it, and the one way to a fresh one
//! ([`Tokens::acquire`]): cache, single flight, redeem, commit. What is redeemed is a [`TokenSource`](source::TokenSource).

pub mod access_token;
mod acquire;
mod budget;
mod commit;
pub mod entra;
mod held;
mod managed_identity;
mod principal;
mod redeem;
pub(crate) mod renewal;
mod sign_in;
mod single_flight;
pub mod source;
mod take_over;
mod token_key;
mod told;

pub use acquire::{Acquired, Renew, Renewed, Tokens};
pub use held::{drop_held, held, held_of_identity};
pub(crate) use managed_identity::Endpoint;
pub use managed_identity::read_identity_answers;
pub(crate) use principal::read_pem;
pub use sign_in::sign_in_needed;
pub use single_flight::Flight;
pub use source::can_sign_with;
pub(crate) use source::hand_over_assertions;
pub use token_key::{TokenKey, Who};
