//! The person for whom a client speaks. Fly.io is not asked about them: either we know them as an admin, or the client
//! vouches for them, which is written down.

use serde::Deserialize;

use super::Api;
use crate::domain::ids::{UpstreamUserId, UserId};
use crate::domain::member::Role;
use crate::domain::organization::{Actor, Organization};
use crate::domain::user::User;
use crate::http::error::problem::{Code, Problem};
use crate::store::{StoreError, keys};

/// A person as the client knows them: never by an address, which may become somebody else's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActingUser {
    /// As clients of Sentry's Fly provider know people.
    fly_user_id: Option<String>,
    /// As clients of OpenID Connect know people.
    sub: Option<String>,
    /// For a person whom we may not know, and for whom the client vouches.
    name: Option<String>,
}

/// Who acts: the body of disable and enable, and a part of every other.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acting {
    pub acting_user: ActingUser,
    #[serde(default)]
    pub vouched: bool,
}

impl Acting {
    /// The person for the audit log, if they may change the organization's login method.
    pub async fn admin(&self, api: &Api, organization: &Organization) -> Result<Actor, Problem> {
        let known = self.find(api).await?;
        if self.vouched {
            return match known {
                Some(user) => Ok(Actor { user: Some(user.id), name: user.name }),
                None => self.stranger(),
            };
        }
        let Some(user) = known else { return Err(Code::NotAMember.into()) };
        let member = api.directory.member(&organization.id, &user.id).await?.ok_or(Code::NotAMember)?.value;
        if member.absent_since.is_some() {
            let detail = "Fly.io no longer named the organization for the acting person.";
            return Err(Problem::new(Code::NotAMember, detail));
        }
        if member.left_out.is_some() {
            let detail = "The acting person is left out on purpose, and is to have no way in.";
            return Err(Problem::new(Code::NotAMember, detail));
        }
        match member.role {
            Role::Admin => Ok(Actor { user: Some(user.id), name: user.name }),
            Role::Member => Err(Code::NotAnAdmin.into()),
        }
    }

    async fn find(&self, api: &Api) -> Result<Option<User>, Problem> {
        let ActingUser { fly_user_id, sub, name } = &self.acting_user;
        let id = match (fly_user_id, sub, name) {
            (Some(fly), None, _) => by_fly_id(api, fly).await?,
            (None, Some(sub), _) => sub.parse().ok(),
            (None, None, Some(_)) if self.vouched => None,
            _ => {
                let detail = "The acting person is named by one of \"fly_user_id\" and \"sub\", or for one whom you vouch \
                              for by \"name\" alone.";
                return Err(Problem::new(Code::InvalidRequest, detail));
            }
        };
        let Some(id) = id else { return Ok(None) };
        Ok(api.directory.user(&id).await?.map(|entry| entry.value))
    }

    fn stranger(&self) -> Result<Actor, Problem> {
        let name = self.acting_user.name.as_deref().and_then(Actor::from_outside);
        name.ok_or_else(|| {
            let detail = "A person whom we do not know needs a \"name\" of 1 to 100 characters, without line breaks.";
            Problem::new(Code::InvalidRequest, detail)
        })
    }
}

async fn by_fly_id(api: &Api, id: &str) -> Result<Option<UserId>, StoreError> {
    let Ok(id) = id.parse::<UpstreamUserId>() else { return Ok(None) };
    Ok(api.store.read(&keys::fly_identity(&id)).await?.map(|entry| entry.value))
}
