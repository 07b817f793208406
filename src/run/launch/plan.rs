//! The beginning of a launch by the plan that there is for it, and by the next one where the system refuses the first.

use super::pending::PendingAz;
use super::{Begun, Launch, Way};
use crate::azure::command::AccountEffect;
use crate::failure::Result;
use crate::run::adal::{AdalPlace, RunCopy};
use crate::run::exposure::in_place::{Extent, InPlace, Medium};
#[cfg(target_os = "linux")]
use crate::run::exposure::memory;
use crate::run::exposure::own_file::OwnFile;
use crate::run::exposure::policy::{self, Plan};
#[cfg(target_os = "linux")]
use crate::run::exposure::private::Entrance;
use crate::run::exposure::{Exposure, ExposureKind, GivenCredentials};

impl<'a> Launch<'a> {
    #[cfg(target_os = "linux")]
    pub(super) fn begin_privately(self) -> Result<Begun<'a>> {
        match Entrance::new(self.store, self.command.subject()) {
            Ok(Entrance { mount, lock }) => {
                let az = self.pending(ExposureKind::Private, None, |program| PendingAz::within(&mount, program))?;
                Ok(Begun { launch: self, az, way: Way::Private(lock) })
            }
            Err(reason) => self.begin_instead(ExposureKind::Private, reason),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn begin_privately(self) -> Result<Begun<'a>> {
        self.begin_instead(ExposureKind::Private, policy::NO_NAMESPACES.to_owned())
    }

    /// What is done where private exposure was planned, which may be another for want of something to be handed over.
    pub(super) fn instead_of_private(&self) -> Plan {
        #[cfg(target_os = "linux")]
        if self.store.is_in_memory() || self.store.has_principals_in_memory() {
            // What is mounted over a file in memory would go with it.
            return self.policy.instead(ExposureKind::Private, "another az has the token cache in memory".to_owned());
        }
        match self.given() != GivenCredentials::None && self.store.has_nothing() {
            true => Plan::InPlace("there is nothing to hand over yet".to_owned()),
            false => Plan::Private,
        }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn begin_in_memory(self) -> Result<Begun<'a>> {
        let store = self.store;
        match memory::place(&store.app.context, store.config_dir) {
            Ok(place) => {
                let extent = self.extent(&Plan::Memory);
                self.begin_certainly(Box::new(InPlace::new(extent, self.given(), Medium::Memory(place))))
            }
            Err(reason) => self.begin_instead(ExposureKind::Memory, reason),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn begin_in_memory(self) -> Result<Begun<'a>> {
        self.begin_instead(ExposureKind::Memory, policy::NO_MEMORY.to_owned())
    }

    /// Does what is done where `planned` cannot be had.
    pub(super) fn begin_instead(self, planned: ExposureKind, reason: String) -> Result<Begun<'a>> {
        match self.plan_instead(planned, reason) {
            Plan::Memory => self.begin_in_memory(),
            plan => self.begin_in_place(self.extent(&plan)),
        }
    }

    pub(super) fn begin_in_place(self, extent: Extent) -> Result<Begun<'a>> {
        self.begin_certainly(Box::new(InPlace::new(extent, self.given(), Medium::Disk)))
    }

    /// Makes ready an az before 2.30, which is given a file of its own; where there can be none it has what the real one has.
    pub(super) fn begin_with_own_file(self) -> Result<Begun<'a>> {
        let store = self.store;
        let inner = InPlace::new(Extent::Nothing, self.given(), Medium::Disk);
        let Some(place) = AdalPlace::of(&store.app.context, store.config_dir) else {
            return self.begin_certainly(Box::new(inner));
        };
        // What keeps it from that now is told when the secrets are handed over.
        let _ = place.sweep(store);
        let copy = place.with_store(store, |store| RunCopy::begin(&place, store));
        self.begin_certainly(Box::new(OwnFile::new(inner, place, copy, self.given())))
    }

    /// Makes ready an az whose exposure nothing can refuse any more.
    fn begin_certainly(self, exposure: Box<dyn Exposure>) -> Result<Begun<'a>> {
        let az = self.pending(exposure.kind(), exposure.variable(), PendingAz::new)?;
        Ok(Begun { launch: self, az, way: Way::Certain(exposure) })
    }

    pub(super) fn plan_instead(&self, planned: ExposureKind, reason: String) -> Plan {
        let refused = policy::refused(&reason);
        let plan = self.policy.instead(planned, reason);
        if plan == Plan::Nothing {
            self.store.app.journal.warn(self.store.app.context.now(), &refused);
        }
        plan
    }

    /// How much of the real token cache is exposed by a plan that is not a private one.
    pub(super) fn extent(&self, plan: &Plan) -> Extent {
        match (plan, self.command.effect()) {
            // It would not look there.
            _ if !self.storage.is_file() => Extent::Nothing,
            (_, AccountEffect::SignIn) | (Plan::Nothing, AccountEffect::Clear) => Extent::Nothing,
            (Plan::Nothing, _) => Extent::Withheld,
            (Plan::InPlace(_) | Plan::Memory | Plan::Private, _) => Extent::All,
        }
    }
}
