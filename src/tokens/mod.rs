//! Access tokens: which one a command uses and where the token cache has it, who renews it, and the request that does.

pub mod access_token;
pub mod entra;
pub mod renewal;
pub mod rotate;
