//! What an administrator sees: records with the names of what they refer to, and the sums of their ledgers.
//!
//! Listings come in pages inside one state each; the last name of a page is where the next one begins.

use congvu_message::Address;
use congvu_store::calendar::CalendarRead as _;
use congvu_store::deleted::DeletedRead as _;
use congvu_store::tx::Ledger;
use congvu_store::{AccountId, LedgerId, Read, Timestamp};
use serde::{Deserialize, Serialize};

use crate::edit::{agency, credential, domain, group, hold};
use crate::error::Result;
use crate::find::{self, PAGE};
use crate::record::{
    Account, AddressKey, Agency, AgencyId, Domain, Entry, FilterPolicy, Group, Held, Hold, Kind,
    MAIN, Meaning, Policy, Reference, Referrer, Target,
};
use crate::resolve::{operated, operators};
use crate::retention;

/// Entries of a page of a listing: one scan of the store.
pub const PAGE_ENTRIES: usize = 500;

/// Usage and limits. A limit of 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Octets used.
    pub octets: u64,
    /// Most octets.
    pub octets_limit: u64,
    /// Messages used.
    pub messages: u64,
    /// Most messages.
    pub messages_limit: u64,
}

impl From<Ledger> for Usage {
    fn from(ledger: Ledger) -> Self {
        Self {
            octets: ledger.octets,
            octets_limit: ledger.octets_limit,
            messages: ledger.messages,
            messages_limit: ledger.messages_limit,
        }
    }
}

fn usage<R: Read>(r: &R, ledger: LedgerId) -> Result<Usage> {
    Ok(r.ledger(ledger)?.into())
}

/// An agency as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgencyView {
    /// Code.
    pub code: String,
    /// Full name.
    pub name: String,
    /// Code of the agency above.
    pub parent: Option<String>,
    /// Own switch.
    pub enabled: bool,
    /// Whether it and all above it are enabled.
    pub active: bool,
    /// Own prescriptions.
    pub policy: Policy,
    /// What holds here, inherited.
    pub effective_policy: Policy,
    /// Own prescriptions for the spam filter.
    pub filter: FilterPolicy,
    /// What holds here for the spam filter, inherited; what is open is as the server's default.
    pub effective_filter: FilterPolicy,
    /// Usage of everything in it and below.
    pub usage: Usage,
    /// Milliseconds since 1970.
    pub created: Timestamp,
    /// Codes of the agencies directly below.
    pub agencies: Vec<String>,
}

/// An agency as shown.
pub fn agency_view<R: Read>(r: &R, agency: &Agency) -> Result<AgencyView> {
    let code = |id: AgencyId| find::agency_by_id(r, id).map(|a| a.code);
    Ok(AgencyView {
        code: agency.code.clone(),
        name: agency.name.clone(),
        parent: agency.parent.map(code).transpose()?,
        enabled: agency.enabled,
        active: find::agency_enabled(r, agency.id)?,
        policy: agency.policy,
        effective_policy: Policy {
            undelete_days: Some(retention::days_of(r, agency.id)?),
            ..find::policy(r, agency.id)?
        },
        filter: agency.filter.clone(),
        effective_filter: find::filter(r, agency.id)?,
        usage: usage(r, agency.ledger)?,
        created: agency.created,
        agencies: agency::children(r, agency.id)?
            .into_iter()
            .map(code)
            .collect::<Result<_>>()?,
    })
}

/// A page and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Entries in order.
    pub entries: Vec<T>,
    /// Hand this back for the next page; `None` at the end.
    pub next: Option<String>,
}

/// Agencies in the order of their creation, those of a subtree only when `within` is given.
pub fn agencies<R: Read>(
    r: &R,
    within: Option<AgencyId>,
    after: Option<&str>,
) -> Result<Page<AgencyView>> {
    let after: u64 = after.and_then(|a| a.parse().ok()).unwrap_or(0);
    let within = within.map(|id| agency::subtree(r, id)).transpose()?;
    let page = r.scan::<Agency>(&[], &after.saturating_add(1).to_be_bytes(), PAGE_ENTRIES)?;
    let next = (page.len() == PAGE_ENTRIES)
        .then(|| page.last().map(|a| a.id.to_string()))
        .flatten();
    let shown = page
        .iter()
        .filter(|a| within.as_ref().is_none_or(|w| w.contains(&a.id)));
    Ok(Page {
        entries: shown.map(|a| agency_view(r, a)).collect::<Result<_>>()?,
        next,
    })
}

/// A domain as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainView {
    /// A-label name.
    pub name: String,
    /// The same in U-labels.
    pub unicode: String,
    /// Code of its agency.
    pub agency: String,
    /// Set for an alias domain.
    pub alias_of: Option<String>,
    /// Its alias domains.
    pub aliases: Vec<String>,
    /// Who gets `postmaster@` and `abuse@`.
    pub postmaster: Option<String>,
    /// Own switch.
    pub enabled: bool,
    /// Usage of the accounts in it.
    pub usage: Usage,
    /// Milliseconds since 1970.
    pub created: Timestamp,
}

/// A domain as shown.
pub fn domain_view<R: Read>(r: &R, domain: &Domain) -> Result<DomainView> {
    domain_among(r, domain, &domain::aliases(r, &domain.name)?)
}

/// The same when the alias domains, perhaps with others, are at hand.
fn domain_among<R: Read>(r: &R, domain: &Domain, all: &[Domain]) -> Result<DomainView> {
    let aliases = all
        .iter()
        .filter(|d| d.alias_of.as_ref() == Some(&domain.name));
    let postmaster = domain
        .postmaster
        .map(|id| find::account_by_id(r, id))
        .transpose()?;
    Ok(DomainView {
        name: domain.name.clone(),
        unicode: congvu_message::address::domain_to_unicode(&domain.name),
        agency: find::agency_by_id(r, domain.agency)?.code,
        alias_of: domain.alias_of.clone(),
        aliases: aliases.map(|d| d.name.clone()).collect(),
        postmaster: postmaster.map(|a| a.address().to_string()),
        enabled: domain.enabled,
        usage: usage(r, domain.ledger)?,
        created: domain.created,
    })
}

/// Domains by name.
pub fn domains<R: Read>(
    r: &R,
    within: Option<AgencyId>,
    after: Option<&str>,
) -> Result<Page<DomainView>> {
    let within = within.map(|id| agency::subtree(r, id)).transpose()?;
    let from = after.map(behind).unwrap_or_default();
    let page = r.scan::<Domain>(&[], &from, PAGE_ENTRIES)?;
    let next = (page.len() == PAGE_ENTRIES)
        .then(|| page.last().map(|d| d.name.clone()))
        .flatten();
    let all = find::all::<Domain, _>(r, &[], usize::MAX)?;
    let shown = page
        .iter()
        .filter(|d| within.as_ref().is_none_or(|w| w.contains(&d.agency)))
        .map(|d| domain_among(r, d, &all));
    Ok(Page {
        entries: shown.collect::<Result<_>>()?,
        next,
    })
}

/// The first key behind a text key.
fn behind(key: &str) -> Vec<u8> {
    let mut octets = key.as_bytes().to_vec();
    octets.push(0);
    octets
}

/// An account as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Primary address.
    pub address: String,
    /// Person or post.
    pub kind: Kind,
    /// Display name.
    pub name: String,
    /// Code of its agency.
    pub agency: String,
    /// Own switch.
    pub enabled: bool,
    /// Whether it, its domain and its agencies are enabled.
    pub active: bool,
    /// Stable identifier.
    pub id: String,
    /// Usage and limits of its own.
    pub usage: Usage,
    /// Milliseconds since 1970.
    pub created: Timestamp,
}

/// An account as shown in a listing.
pub fn account_view<R: Read>(r: &R, account: &Account) -> Result<AccountView> {
    Ok(AccountView {
        address: account.address().to_string(),
        kind: account.kind,
        name: account.name.clone(),
        agency: find::agency_by_id(r, account.agency)?.code,
        enabled: account.enabled,
        active: find::account_enabled(r, account)?,
        id: account.object_id(),
        usage: usage(r, account.ledger)?,
        created: account.created,
    })
}

/// An account with all that hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDetail {
    /// As in listings.
    #[serde(flatten)]
    pub account: AccountView,
    /// Whether it has a main password.
    pub password: bool,
    /// Its app passwords.
    pub app_passwords: Vec<AppPasswordView>,
    /// Aliases that lead to it.
    pub aliases: Vec<String>,
    /// Groups it is a direct member of.
    pub groups: Vec<String>,
    /// Who operates it (posts).
    pub operators: Vec<String>,
    /// Which posts it operates (persons).
    pub operates: Vec<String>,
    /// Domains whose postmaster it is.
    pub postmaster_of: Vec<String>,
    /// Holds on it, on its mailboxes and on the agencies above it.
    #[serde(default)]
    pub holds: Vec<HoldView>,
}

/// A hold as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    /// Its number.
    pub id: u64,
    /// `account`, `mailbox` or `agency`.
    pub on: String,
    /// What it was called when the hold was put on.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Who put it on.
    pub by: String,
    /// Milliseconds since 1970.
    pub at: Timestamp,
}

impl From<Hold> for HoldView {
    fn from(hold: Hold) -> Self {
        let on = match hold.on {
            Held::Account(_) => "account",
            Held::Mailbox(..) => "mailbox",
            Held::Agency(_) => "agency",
        };
        Self {
            id: hold.id.0,
            on: on.to_owned(),
            name: hold.name,
            reason: hold.reason,
            by: hold.by,
            at: hold.at,
        }
    }
}

/// All holds that keep something of an account, also of single mailboxes.
fn holds<R: Read>(r: &R, account: &Account) -> Result<Vec<HoldView>> {
    let above: Vec<AgencyId> = find::lineage(r, account.agency)?
        .iter()
        .map(|agency| agency.id)
        .collect();
    let of_it = |on: Held| match on {
        Held::Account(id) | Held::Mailbox(id, _) => id == account.id,
        Held::Agency(id) => above.contains(&id),
    };
    let all = hold::all(r)?.into_iter().filter(|hold| of_it(hold.on));
    Ok(all.map(HoldView::from).collect())
}

/// A removed account as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedAccountView {
    /// The address it had.
    pub address: String,
    /// Stable identifier.
    pub id: String,
    /// Person or post.
    pub kind: Kind,
    /// Display name.
    pub name: String,
    /// Code of its agency, if that is still there.
    pub agency: Option<String>,
    /// When it was removed, milliseconds since 1970.
    pub removed: Timestamp,
    /// For how many days more it is kept at least.
    pub days_left: u32,
    /// Whether a hold keeps all of it.
    pub held: bool,
}

/// Removed accounts that are kept, oldest number first.
pub fn removed_accounts<R: Read>(r: &R, after: Option<&str>) -> Result<Page<RemovedAccountView>> {
    let after = after.and_then(|a| a.parse().ok()).map(AccountId);
    let page = retention::departed_page(r, after, PAGE_ENTRIES)?;
    let next = match page.last() {
        Some(last) if page.len() == PAGE_ENTRIES => Some(last.account.id.to_string()),
        _ => None,
    };
    let mut entries = Vec::with_capacity(page.len());
    for departed in page {
        let account = departed.account;
        let keep = retention::keep(r, account.id)?;
        let since = r
            .deleted_home(account.id)?
            .map(|(removal, _)| removal.modseq);
        entries.push(RemovedAccountView {
            address: account.address().to_string(),
            id: account.object_id(),
            kind: account.kind,
            name: account.name,
            agency: r.get::<Agency>(&account.agency)?.map(|agency| agency.code),
            removed: departed.at,
            days_left: match since {
                Some(since) => u32::from(keep.days).saturating_sub(r.days_kept(since)?),
                None => 0,
            },
            held: keep.held,
        });
    }
    Ok(Page { entries, next })
}

/// An app password as shown: never the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPasswordView {
    /// Its name.
    pub name: String,
    /// Milliseconds since 1970.
    pub created: Timestamp,
    /// To the hour.
    pub last_used: Option<Timestamp>,
}

/// The app passwords of an account.
pub fn app_passwords<R: Read>(r: &R, account: AccountId) -> Result<Vec<AppPasswordView>> {
    let all = credential::list(r, account)?
        .into_iter()
        .filter(|c| c.name != MAIN);
    Ok(all
        .map(|c| AppPasswordView {
            name: c.name,
            created: c.created,
            last_used: c.last_used,
        })
        .collect())
}

/// An account with all that hangs on it.
pub fn account_detail<R: Read>(r: &R, account: &Account) -> Result<AccountDetail> {
    let address = |id: AccountId| find::account_by_id(r, id).map(|a| a.address().to_string());
    let (aliases, groups) = referrers(r, &Target::Account(account.id))?;
    let domains = find::all::<Domain, _>(r, &[], usize::MAX)?;
    Ok(AccountDetail {
        account: account_view(r, account)?,
        password: credential::list(r, account.id)?
            .iter()
            .any(|c| c.name == MAIN),
        app_passwords: app_passwords(r, account.id)?,
        aliases,
        groups,
        operators: operators(r, account.id)?
            .into_iter()
            .map(address)
            .collect::<Result<_>>()?,
        operates: operated(r, account.id)?
            .into_iter()
            .map(address)
            .collect::<Result<_>>()?,
        postmaster_of: domains
            .into_iter()
            .filter(|d| d.postmaster == Some(account.id))
            .map(|d| d.name)
            .collect(),
        holds: holds(r, account)?,
    })
}

/// Addresses of the aliases and groups that lead to an account or group directly.
fn referrers<R: Read>(r: &R, target: &Target) -> Result<(Vec<String>, Vec<String>)> {
    let (mut aliases, mut groups) = (Vec::new(), Vec::new());
    for reference in find::all::<Reference, _>(r, &Reference::prefix(target), PAGE)? {
        match reference.by {
            Referrer::Group(id) => groups.push(find::group_by_id(r, id)?.address().to_string()),
            Referrer::Alias(key) => {
                if let Some(entry) = r.get::<Entry>(&key)? {
                    aliases.push(entry.address().to_string());
                }
            }
        }
    }
    Ok((aliases, groups))
}

/// Which addresses a listing shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this agency and those below it.
    pub agency: Option<AgencyId>,
    /// Only this domain.
    pub domain: Option<String>,
    /// Only this kind of account.
    pub kind: Option<Kind>,
}

/// Entries of the address table behind `after`, which is `domain NUL folded-local`.
fn entries<R: Read>(
    r: &R,
    filter: &Filter,
    after: Option<&str>,
) -> Result<(Vec<Entry>, Option<String>)> {
    let prefix = filter
        .domain
        .as_deref()
        .map(AddressKey::prefix)
        .unwrap_or_default();
    let from = after.map(behind).unwrap_or_default();
    let page = r.scan::<Entry>(&prefix, &from, PAGE_ENTRIES)?;
    let next = match page.last() {
        Some(last) if page.len() == PAGE_ENTRIES => {
            String::from_utf8(AddressKey::new(&last.domain, &last.local).octets()).ok()
        }
        _ => None,
    };
    Ok((page, next))
}

/// Accounts by domain and name.
pub fn accounts<R: Read>(r: &R, filter: &Filter, after: Option<&str>) -> Result<Page<AccountView>> {
    let within = filter.agency.map(|id| agency::subtree(r, id)).transpose()?;
    let (page, next) = entries(r, filter, after)?;
    let mut shown = Vec::new();
    for entry in page {
        let Meaning::Account(id) = entry.meaning else {
            continue;
        };
        let account = find::account_by_id(r, id)?;
        if within.as_ref().is_none_or(|w| w.contains(&account.agency))
            && filter.kind.is_none_or(|kind| kind == account.kind)
        {
            shown.push(account_view(r, &account)?);
        }
    }
    Ok(Page {
        entries: shown,
        next,
    })
}

/// An alias as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasView {
    /// Its address.
    pub address: String,
    /// Where it leads.
    pub targets: Vec<String>,
    /// Milliseconds since 1970.
    pub created: Timestamp,
}

/// The address of a target.
pub fn target_address<R: Read>(r: &R, target: &Target) -> Result<String> {
    Ok(match target {
        Target::Account(id) => find::account_by_id(r, *id)?.address(),
        Target::Group(id) => find::group_by_id(r, *id)?.address(),
        Target::Address { local, domain } => Address {
            local: local.clone(),
            domain: domain.clone(),
        },
    }
    .to_string())
}

/// An alias as shown.
pub fn alias_view<R: Read>(r: &R, entry: &Entry) -> Result<AliasView> {
    let targets = match &entry.meaning {
        Meaning::Alias(targets) => targets.as_slice(),
        Meaning::Account(_) | Meaning::Group(_) => &[],
    };
    Ok(AliasView {
        address: entry.address().to_string(),
        targets: targets
            .iter()
            .map(|t| target_address(r, t))
            .collect::<Result<_>>()?,
        created: entry.created,
    })
}

/// Aliases by domain and name; those of one agency's domains when the filter names it.
pub fn aliases<R: Read>(r: &R, filter: &Filter, after: Option<&str>) -> Result<Page<AliasView>> {
    let within = filter.agency.map(|id| agency::subtree(r, id)).transpose()?;
    let (page, next) = entries(r, filter, after)?;
    let mut shown = Vec::new();
    for entry in page {
        if !matches!(entry.meaning, Meaning::Alias(_)) {
            continue;
        }
        if let Some(within) = &within
            && !within.contains(&find::domain(r, &entry.domain)?.agency)
        {
            continue;
        }
        shown.push(alias_view(r, &entry)?);
    }
    Ok(Page {
        entries: shown,
        next,
    })
}

/// A group as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// Its address.
    pub address: String,
    /// Display name.
    pub name: String,
    /// Code of its agency.
    pub agency: String,
    /// Own switch.
    pub enabled: bool,
    /// Number of direct members.
    pub size: u32,
    /// Direct members; only when one group is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Milliseconds since 1970.
    pub created: Timestamp,
}

/// A group as shown in a listing.
pub fn group_view<R: Read>(r: &R, group: &Group) -> Result<GroupView> {
    Ok(GroupView {
        address: group.address().to_string(),
        name: group.name.clone(),
        agency: find::agency_by_id(r, group.agency)?.code,
        enabled: group.enabled,
        size: group.members,
        members: Vec::new(),
        created: group.created,
    })
}

/// A group with its members.
pub fn group_detail<R: Read>(r: &R, group: &Group) -> Result<GroupView> {
    let members = group::members(r, group.id)?;
    let members = members
        .iter()
        .map(|t| target_address(r, t))
        .collect::<Result<_>>()?;
    Ok(GroupView {
        members,
        ..group_view(r, group)?
    })
}

/// Groups by domain and name.
pub fn groups<R: Read>(r: &R, filter: &Filter, after: Option<&str>) -> Result<Page<GroupView>> {
    let within = filter.agency.map(|id| agency::subtree(r, id)).transpose()?;
    let (page, next) = entries(r, filter, after)?;
    let mut shown = Vec::new();
    for entry in page {
        let Meaning::Group(id) = entry.meaning else {
            continue;
        };
        let group = find::group_by_id(r, id)?;
        if within.as_ref().is_none_or(|w| w.contains(&group.agency)) {
            shown.push(group_view(r, &group)?);
        }
    }
    Ok(Page {
        entries: shown,
        next,
    })
}
