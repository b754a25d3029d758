//! One change, carried out: slots, then servers, loads and cursor, then the service; what is free now rests.
//!
//! Every step is idempotent and writes all it stands for, so that a change also heals what it names. Ids and slots
//! are found before anything is written: an exhausted table leaves everything as it was.

use crate::cursor::{self, Edit, Ladder};
use crate::error::{Doing, Error};
use crate::filter;
use crate::local;
use crate::maps::Maps;
use crate::mirror::{Former, Gone, Mirror, Server, Service, make_unavailable};
use crate::retired::Retired;
use crate::ring;
use crate::settings;
use crate::slots::Span;
use crate::translate::{self, TableKey};
use forward::abi::{self, MAX_SERVERS_PER_SERVICE};
use forward::schedule::Cursor;
use model::ring::last_weight;
use model::{Change, Endpoint, ForwardingMethod, ServerState, ServiceKey, ServiceOptions, Weight};
use std::time::Instant;

/// Maps and books, to be changed together.
pub(crate) struct Writer<'a> {
    pub(crate) maps: &'a Maps,
    pub(crate) mirror: &'a mut Mirror,
}

impl Writer<'_> {
    /// Carries out one change.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<(), Error> {
        match change {
            Change::AddService { service, options, owned } => self.put_service(service, options, *owned),
            Change::EditService { service, options, owned } => {
                self.known(service)?;
                self.put_service(service, options, *owned)
            }
            Change::RemoveService { service } => self.remove_service(service),
            Change::AddServer { service, server } => self.put_server(service, server, true),
            Change::EditServer { service, server } => self.put_server(service, server, false),
            Change::RemoveServer { service, server } => self.remove_server(service, server),
            Change::SetTimeouts(timeouts) => {
                let settings = self.maps.settings.get(0);
                settings::set_timeouts(settings.ok_or_else(|| missing("settings"))?, *timeouts);
                Ok(())
            }
            Change::SetSysctls(sysctls) => {
                let settings = self.maps.settings.get(0);
                settings::set_sysctls(settings.ok_or_else(|| missing("settings"))?, sysctls);
                Ok(())
            }
        }
    }

    fn known(&self, key: &ServiceKey) -> Result<&Service, Error> {
        self.mirror.services.get(key).ok_or(Error::NoSuchService(*key))
    }

    fn put_service(&mut self, key: &ServiceKey, options: &ServiceOptions, owned: bool) -> Result<(), Error> {
        let Some(old) = self.mirror.services.get(key) else { return self.add_service(key, options, owned) };
        let edit = if old.options.scheduler != options.scheduler {
            Some(Edit::Begun)
        } else {
            (old.owned != owned).then_some(Edit::Edited)
        };
        let mut next = Service { options: options.clone(), owned, ..old.clone() };
        let is_lost = old.owned && !owned;
        self.prepare(key, &mut next)?;
        if owned {
            filter::show(self.maps, [key.endpoint.ip()]);
        }
        self.commit(key, next, edit)?;
        // It looks at everything, and nothing else makes an address needless.
        if is_lost {
            filter::restrict(self.maps, self.mirror);
        }
        Ok(())
    }

    fn add_service(&mut self, key: &ServiceKey, options: &ServiceOptions, owned: bool) -> Result<(), Error> {
        let former = self.mirror.former_service_id(key);
        let id = match former {
            Some(id) => id,
            None => self.new_service_id(key)?,
        };
        if owned {
            filter::show(self.maps, [key.endpoint.ip()]);
        }
        let (list, table) = (Span::default(), Span::default());
        let service = Service { id, options: options.clone(), owned, servers: Vec::new(), list, table };
        self.commit(key, service, Some(Edit::Begun)).inspect_err(|_| {
            if former.is_none() {
                self.mirror.service_ids.give_back(id);
            }
            filter::restrict(self.maps, self.mirror);
        })
    }

    fn new_service_id(&mut self, key: &ServiceKey) -> Result<u32, Error> {
        let id = self.mirror.service_ids.take("service")?;
        let entered = self.maps.retired.set(&id, &Retired::of_new(key));
        entered.doing(|| format!("enter service {key}")).inspect_err(|_| self.mirror.service_ids.give_back(id))?;
        Ok(id)
    }

    fn put_server(&mut self, key: &ServiceKey, server: &ServerState, add: bool) -> Result<(), Error> {
        let service = self.known(key)?;
        let endpoint = server.server.endpoint;
        if endpoint.is_ipv4() != key.endpoint.is_ipv4() && !server.server.method.mixes_families() {
            return Err(Error::Invalid(format!("server {endpoint} is not of the family of service {key}")));
        }
        match service.position(&endpoint) {
            Some(position) => self.edit_server(key, position, server),
            None if add => self.add_server(key, server),
            None => Err(Error::NoSuchServer { service: *key, server: endpoint }),
        }
    }

    fn edit_server(&mut self, key: &ServiceKey, position: usize, server: &ServerState) -> Result<(), Error> {
        let mut next = self.known(key)?.clone();
        let mut fresh = None;
        if let Some(old) = next.servers.get_mut(position) {
            let last_weight = last_weight(Some(old.last_weight), server.server.weight.get());
            let replies = old.replies;
            let (id, former) = self.id_in(old, server.server.method, &mut fresh)?;
            *old = Server { former, ..Server::new(id, server.clone(), last_weight) };
            old.replies |= replies;
        }
        if let Err(error) = self.prepare(key, &mut next) {
            fresh.into_iter().for_each(|id| self.mirror.server_ids.give_back(id));
            return Err(error);
        }
        filter::show_server(self.maps, server);
        self.commit(key, next, Some(Edit::Edited))
    }

    /// The id of a server in this method, and those of the methods that it has no longer. Connections are known by the
    /// id: they keep their method, as in the kernel.
    fn id_in(
        &mut self,
        old: &Server,
        method: ForwardingMethod,
        fresh: &mut Option<u32>,
    ) -> Result<(u32, Vec<Former>), Error> {
        let mut former = old.former.clone();
        if old.has_method(method) {
            return Ok((old.id, former));
        }
        let same = |former: &Former| translate::method(former.method) == translate::method(method);
        let id = match former.iter().position(same) {
            Some(place) => former.swap_remove(place).id,
            None => *fresh.insert(self.mirror.server_ids.take("server")?),
        };
        former.push(Former { id: old.id, method: old.state.server.method });
        Ok((id, former))
    }

    fn add_server(&mut self, key: &ServiceKey, server: &ServerState) -> Result<(), Error> {
        let mut next = self.known(key)?.clone();
        if next.servers.len() >= MAX_SERVERS_PER_SERVICE as usize {
            return Err(Error::NoSpace { what: "server of one service", size: MAX_SERVERS_PER_SERVICE });
        }
        let endpoint = server.server.endpoint;
        let revived = self.mirror.revive(next.id, &endpoint);
        let added = match self.revived(&revived, server) {
            Ok(added) => added,
            Err(error) => {
                self.mirror.gone.extend(revived);
                return Err(error);
            }
        };
        let ids: Vec<u32> = added.ids().collect();
        next.servers.insert(0, added);
        if let Err(error) = self.prepare(key, &mut next) {
            ids.iter()
                .filter(|id| !revived.iter().any(|gone| gone.id == **id))
                .for_each(|id| self.mirror.server_ids.give_back(*id));
            self.mirror.gone.extend(revived);
            return Err(error);
        }
        filter::show_server(self.maps, server);
        let service = next.id;
        self.commit(key, next, Some(Edit::Added)).inspect_err(|_| {
            for id in ids {
                make_unavailable(self.maps, id);
                self.mirror.gone.push(Gone { id, service, was: (*key, endpoint), since: Instant::now() });
            }
        })
    }

    /// A server with the ids that it had before it was removed, in each method that it had.
    fn revived(&mut self, gone: &[Gone], server: &ServerState) -> Result<Server, Error> {
        let method_of = |id| {
            let cells = self.maps.servers.get(id).zip(self.maps.tunnels.get(id));
            cells.map(|cells| translate::read_server(cells).server.method)
        };
        let wanted = Some(translate::method(server.server.method));
        let (same, former): (Vec<_>, Vec<_>) =
            gone.iter().partition(|gone| method_of(gone.id).map(translate::method) == wanted);
        let id = match same.first() {
            Some(gone) => gone.id,
            None => self.mirror.server_ids.take("server")?,
        };
        let last_weight = last_weight(None, server.server.weight.get());
        let mut added = Server::new(id, server.clone(), last_weight);
        for gone in former.into_iter().chain(same.into_iter().skip(1)) {
            let method = method_of(gone.id).unwrap_or(server.server.method);
            added.replies |= method.replies_here();
            added.former.push(Former { id: gone.id, method });
        }
        Ok(added)
    }

    fn remove_server(&mut self, key: &ServiceKey, endpoint: &Endpoint) -> Result<(), Error> {
        let Some(service) = self.mirror.services.get(key) else { return Ok(()) };
        let Some(position) = service.position(endpoint) else { return Ok(()) };
        let mut next = service.clone();
        let server = next.servers.remove(position);
        self.prepare(key, &mut next)?;
        server.ids().for_each(|id| make_unavailable(self.maps, id));
        let service = next.id;
        self.commit(key, next, Some(Edit::Removed(position as u32)))?;
        let since = Instant::now();
        self.mirror.gone.extend(server.ids().map(|id| Gone { id, service, was: (*key, *endpoint), since }));
        Ok(())
    }

    fn remove_service(&mut self, key: &ServiceKey) -> Result<(), Error> {
        let removed = match translate::table_key(key) {
            TableKey::V4(key) => self.maps.services4.remove(&key),
            TableKey::V6(key) => self.maps.services6.remove(&key),
        };
        removed.doing(|| format!("remove service {key}"))?;
        let Some(service) = self.mirror.services.remove(key) else { return Ok(()) };
        let now = Instant::now();
        for server in &service.servers {
            let was = (*key, server.state.server.endpoint);
            for id in server.ids() {
                make_unavailable(self.maps, id);
                self.mirror.gone.push(Gone { id, service: service.id, was, since: now });
            }
        }
        self.mirror.slots.release(service.list, now);
        self.mirror.slots.release(service.table, now);
        if !self.mirror.uses_service_id(service.id) {
            self.mirror.service_ids.give_back(service.id);
        }
        // With servers its addresses are needed until they are retired.
        if service.servers.is_empty() {
            filter::restrict(self.maps, self.mirror);
        }
        Ok(())
    }

    /// Finds slots for the list and the hash table of `next` where they differ from what is there, and fills them.
    /// Nothing looks at them yet.
    fn prepare(&mut self, key: &ServiceKey, next: &mut Service) -> Result<(), Error> {
        let old = self.mirror.services.get(key);
        let ids: Vec<u32> = next.servers.iter().map(|server| server.id).collect();
        let same_list = old.is_some_and(|old| old.servers.iter().map(|server| server.id).eq(ids.iter().copied()));
        let same_table = old.is_some_and(|old| ring::input(old) == ring::input(next));
        if !same_list {
            next.list = self.fill(&ids)?;
        }
        if !same_table {
            next.table = self.fill(&ring::table(next)).inspect_err(|_| {
                if !same_list {
                    self.mirror.slots.give_back(next.list);
                }
            })?;
        }
        Ok(())
    }

    fn fill(&mut self, ids: &[u32]) -> Result<Span, Error> {
        let span = self.take_slots(ids.len() as u32)?;
        for (position, id) in ids.iter().enumerate() {
            let slot = self.maps.schedule.get(span.start + position as u32).ok_or_else(|| missing("schedule slot"))?;
            slot.set(*id);
        }
        Ok(span)
    }

    /// Waits for resting slots when there are no others: at most a second, after thousands of edits in a row.
    fn take_slots(&mut self, length: u32) -> Result<Span, Error> {
        loop {
            let now = Instant::now();
            if let Some(span) = self.mirror.slots.take(length, now) {
                return Ok(span);
            }
            let size = self.mirror.slots.size();
            let due = self.mirror.slots.next_due(now);
            std::thread::sleep(due.ok_or(Error::NoSpace { what: "list of servers", size })?);
        }
    }

    /// Writes `next`, whose slots are prepared, and makes it what packets see.
    fn commit(&mut self, key: &ServiceKey, next: Service, edit: Option<Edit>) -> Result<(), Error> {
        let flags = (next.owned, next.options.watched);
        for server in &next.servers {
            let cells = self.maps.servers.get(server.id).zip(self.maps.tunnels.get(server.id));
            let Some((cells, load)) = cells.zip(self.maps.loads.get(server.id)) else { return Err(missing("server")) };
            translate::write_server(cells, next.id, flags, &server.state, server.last_weight);
            load.weight.set(translate::effective_weight(next.owned, &server.state));
            for former in &server.former {
                let cells = self.maps.servers.get(former.id).zip(self.maps.tunnels.get(former.id));
                let cells = cells.ok_or_else(|| missing("server"))?;
                let state = server.state_in(former.method);
                translate::write_server(cells, next.id, flags, &state, server.last_weight);
            }
        }
        local::write(self.maps, next.id, key, &next.options.local_addresses);
        let ladder = Ladder::of(next.options.scheduler, &next.effective_weights());
        if let Some(edit) = edit {
            let cell = self.maps.cursors.get(next.id).ok_or_else(|| missing("cursor"))?;
            let cursor = cursor::after(edit, next.options.scheduler, Cursor::from_word(cell.get()), ladder);
            cell.set(cursor.word());
        }
        let element = element(&next, ladder);
        let written = match translate::table_key(key) {
            TableKey::V4(key) => self.maps.services4.set(&key, &element),
            TableKey::V6(key) => self.maps.services6.set(&key, &element),
        };
        let now = Instant::now();
        if let Err(error) = written {
            self.forget_slots(key, &next);
            return Err(full_or(error, key));
        }
        let (list, table) = (next.list, next.table);
        if let Some(old) = self.mirror.services.insert(*key, next) {
            for (was, is) in [(old.list, list), (old.table, table)] {
                if was != is {
                    self.mirror.slots.release(was, now);
                }
            }
        }
        Ok(())
    }

    /// Gives back the slots of a service that could not be written.
    fn forget_slots(&mut self, key: &ServiceKey, next: &Service) {
        let kept = self.mirror.services.get(key).map(|old| (old.list, old.table)).unwrap_or_default();
        for (span, kept) in [(next.list, kept.0), (next.table, kept.1)] {
            if span != kept {
                self.mirror.slots.give_back(span);
            }
        }
    }
}

fn element(service: &Service, ladder: Ladder) -> abi::Service {
    abi::Service {
        id: service.id,
        scheduler: translate::scheduler_number(service.options.scheduler),
        flags: translate::service_flags(service.owned, &service.options),
        reserved: 0,
        list_start: service.list.start,
        list_count: service.list.length,
        table_start: service.table.start,
        table_size: service.table.length,
        weight_step: ladder.step,
        weight_top: ladder.top,
    }
}

fn full_or(error: std::io::Error, key: &ServiceKey) -> Error {
    match error.raw_os_error() {
        Some(libc::E2BIG | libc::ENOSPC) => Error::NoSpace { what: "service", size: abi::MAX_SERVICES },
        _ => Error::System { doing: format!("write service {key}"), error },
    }
}

fn missing(what: &str) -> Error {
    Error::Inconsistent(format!("the table has no such {what}"))
}

const _: () = assert!(Weight::MAX < u32::MAX);
