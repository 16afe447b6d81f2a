//! Where the links lead: hosts that pretend to be agencies or banks, that hide, or that lists warn of.
//!
//! A rule reports once for a message, however many links there are. Hosts of our own, and those that the house allows,
//! are not looked at.

use crate::evidence::{Family, Findings, Reason, Rule, shown};
use crate::facts::{Facts, Own, Side, Subject};
use crate::names::{self, Host, Likeness, defanged};
use crate::stage::Stage;

pub(crate) mod extract;

use extract::Link;

/// The stage.
pub(crate) const STAGE: Stage = Stage {
    name: "url",
    rules: &[
        URIBL_LISTED,
        LINK_POSES_AS,
        LINK_TEXT_DIFFERS,
        LINK_CREDENTIALS,
        LINK_SHORTENED,
        HOST_LOOKS_LIKE,
        HOST_BORROWS_NAME,
        HOST_STATE_WORD,
        HOST_MIXED_SCRIPTS,
        HOST_FOREIGN_LETTERS,
        HOST_IS_ADDRESS,
        LINK_REDIRECTED,
        LINK_DEFANGED,
        LINK_PROGRAM,
        FORM_PASSWORD,
        FORM_ATTACHED,
    ],
    reads: &[Own::Lists],
    examine,
};

const URIBL_LISTED: Rule = Rule::new("URIBL_LISTED", Family::Link, 1.5);
const LINK_POSES_AS: Rule = Rule::new("LINK_POSES_AS", Family::Link, 1.5);
/// Newsletters count clicks on hosts of their own.
const LINK_TEXT_DIFFERS: Rule = Rule::new("LINK_TEXT_DIFFERS", Family::Link, 0.3);
const LINK_CREDENTIALS: Rule = Rule::new("LINK_CREDENTIALS", Family::Link, 0.8);
const LINK_SHORTENED: Rule = Rule::new("LINK_SHORTENED", Family::Link, 0.3);
const HOST_LOOKS_LIKE: Rule = Rule::new("HOST_LOOKS_LIKE", Family::Link, 1.5);
const HOST_BORROWS_NAME: Rule = Rule::new("HOST_BORROWS_NAME", Family::Link, 0.9);
const HOST_STATE_WORD: Rule = Rule::new("HOST_STATE_WORD", Family::Link, 1.2);
const HOST_MIXED_SCRIPTS: Rule = Rule::new("HOST_MIXED_SCRIPTS", Family::Link, 1.3);
const HOST_FOREIGN_LETTERS: Rule = Rule::new("HOST_FOREIGN_LETTERS", Family::Link, 0.2);
const HOST_IS_ADDRESS: Rule = Rule::new("HOST_IS_ADDRESS", Family::Link, 0.9);

const LINK_REDIRECTED: Rule = Rule::new("LINK_REDIRECTED", Family::Link, 0.4);
/// Warnings of forged mail write so too.
const LINK_DEFANGED: Rule = Rule::new("LINK_DEFANGED", Family::Link, 0.3);
const LINK_PROGRAM: Rule = Rule::new("LINK_PROGRAM", Family::Link, 1.2);
const FORM_PASSWORD: Rule = Rule::new("FORM_PASSWORD", Family::Link, 1.4);
const FORM_ATTACHED: Rule = Rule::new("FORM_ATTACHED", Family::Link, 0.8);

/// Reports a rule unless it has reported.
fn once(rule: &Rule, vi: String, en: String, out: &mut Findings) {
    if !out.has(rule.name) {
        out.add(rule, Reason::new(vi, en));
    }
}

fn examine(facts: &Facts<'_>, out: &mut Findings) {
    listed(facts, out);
    let found = extract::read(facts.letter);
    for link in &found.links {
        if out.expired() {
            return;
        }
        if let Some(through) = &link.through
            && !is_allowed(through, facts)
        {
            redirected(link, through, out);
            host(through, facts, out);
        }
        if is_allowed(&link.host, facts) {
            continue;
        }
        text(link, out);
        disguise(link, out);
        host(&link.host, facts, out);
    }
    tricks(facts, &found, out);
}

/// A service that forwards to whatever its query says.
fn redirected(link: &Link, through: &Host, out: &mut Findings) {
    let same = names::registered(&link.host.ascii) == names::registered(&through.ascii);
    if same || !names::is_redirector(&link.host.ascii) || names::is_genuine(&through.ascii) {
        return;
    }
    let (by, leads) = (defanged(&link.host.unicode), defanged(&through.unicode));
    once(
        &LINK_REDIRECTED,
        format!("liên kết mượn {by} để dẫn đến {leads}"),
        format!("a link borrows {by} to lead to {leads}"),
        out,
    );
}

/// What is no link, or more than one.
fn tricks(facts: &Facts<'_>, found: &extract::Found, out: &mut Findings) {
    if let Some(written) = &found.defanged {
        let written = shown(written);
        once(
            &LINK_DEFANGED,
            format!("địa chỉ web viết tránh máy đọc: “{written}”"),
            format!("an address of the web written so that programs do not see it: “{written}”"),
            out,
        );
    }
    if let Some(program) = &found.program {
        let program = shown(program);
        once(
            &LINK_PROGRAM,
            format!("liên kết chứa sẵn trang web hoặc chương trình: “{program}…”"),
            format!("a link is a page or program itself: “{program}…”"),
            out,
        );
    }
    let foreign = |host: &Host| !is_allowed(host, facts) && !names::is_below(&host.ascii, "gov.vn");
    // In letters themselves newsletters search and vote by forms; who asks there for a password is none.
    let mut forms = found.forms.iter();
    if let Some((host, _)) =
        forms.find(|(host, attached)| (found.password || *attached) && foreign(host))
    {
        let host = defanged(&host.unicode);
        if found.password {
            once(
                &FORM_PASSWORD,
                format!("biểu mẫu trong thư hỏi mật khẩu và gửi về {host}"),
                format!("a form in the letter asks for a password and sends it to {host}"),
                out,
            );
        } else {
            once(
                &FORM_ATTACHED,
                format!("biểu mẫu trong tệp đính kèm gửi câu trả lời về {host}"),
                format!("a form in an attached page sends the answers to {host}"),
                out,
            );
        }
    }
}

/// What lists of hosts say; the strongest one alone, for they copy from one another.
fn listed(facts: &Facts<'_>, out: &mut Findings) {
    let listings = facts.standing.listings.iter();
    let strongest = listings
        .filter(|listing| listing.what == Subject::Link && listing.side == Side::Block)
        .max_by(|a, b| a.weight.abs().total_cmp(&b.weight.abs()));
    if let Some(listing) = strongest {
        let (host, list) = (defanged(&listing.entry), shown(&listing.list));
        out.weigh(
            &URIBL_LISTED,
            listing.weight.abs(),
            Reason::new(
                format!("liên kết đến {host} có trong danh sách đen {list}"),
                format!("links to {host}, which is on the block list {list}"),
            ),
        );
    }
}

fn is_allowed(host: &Host, facts: &Facts<'_>) -> bool {
    let policy = &facts.policy;
    let mut ours = policy
        .our_domains
        .iter()
        .chain(policy.our_hosts.iter())
        .chain(policy.genuine.iter());
    let mut listings = facts.standing.listings.iter();
    ours.any(|own| names::is_below(&host.ascii, own))
        || listings.any(|listing| {
            listing.what == Subject::Link
                && listing.side == Side::Allow
                && names::is_below(&host.ascii, &listing.entry)
        })
}

/// The text of the link shows one host, the link leads to another.
fn text(link: &Link, out: &mut Findings) {
    let Some(said) = &link.shown else {
        return;
    };
    // Services that check or count links forward to the host that is shown: its target is the link.
    let leads = match &link.through {
        Some(through) if names::is_redirector(&link.host.ascii) => through,
        _ => &link.host,
    };
    let same = names::registered(&said.ascii) == names::registered(&leads.ascii);
    if same || said.ascii == leads.ascii {
        return;
    }
    let genuine = names::is_genuine(&leads.ascii);
    let (says, leads) = (defanged(&said.unicode), defanged(&leads.unicode));
    let vi = format!("liên kết ghi {says} nhưng dẫn đến {leads}");
    let en = format!("a link says {says} and leads to {leads}");
    // From one host of the state to another is an honest way.
    if names::is_genuine(&said.ascii) && !genuine {
        once(&LINK_POSES_AS, vi, en, out);
    } else {
        once(&LINK_TEXT_DIFFERS, vi, en, out);
    }
}

fn disguise(link: &Link, out: &mut Findings) {
    let host = defanged(&link.host.unicode);
    if let Some(user) = &link.user {
        let user = defanged(user);
        once(
            &LINK_CREDENTIALS,
            format!("liên kết giấu máy thật {host} sau “{user}@”"),
            format!("a link hides its real host {host} behind “{user}@”"),
            out,
        );
    }
    if link.host.address == Some(true) {
        once(
            &HOST_IS_ADDRESS,
            format!("liên kết đến địa chỉ số {host} thay vì tên"),
            format!("a link leads to the bare address {host}"),
            out,
        );
    }
    if names::is_shortener(&link.host.ascii) {
        once(
            &LINK_SHORTENED,
            format!("liên kết rút gọn qua {host} che nơi đến"),
            format!("a link shortened by {host} hides where it leads"),
            out,
        );
    }
}

fn host(host: &Host, facts: &Facts<'_>, out: &mut Findings) {
    if host.address.is_some() {
        return;
    }
    let name = defanged(&host.unicode);
    match names::likeness(&host.unicode, &facts.policy.genuine) {
        Some(Likeness::LooksLike(genuine)) => {
            let genuine = defanged(genuine);
            once(
                &HOST_LOOKS_LIKE,
                format!("{name} giả giống {genuine}"),
                format!("{name} looks like {genuine}"),
                out,
            );
        }
        likeness => {
            if let Some(word) = names::state_word(&host.unicode) {
                let word = defanged(word);
                once(
                    &HOST_STATE_WORD,
                    format!("{name} mang chữ “{word}” nhưng không thuộc gov.vn"),
                    format!("{name} bears “{word}” and is not below gov.vn"),
                    out,
                );
            } else if let Some(Likeness::Borrows(genuine)) = likeness {
                let genuine = defanged(genuine);
                once(
                    &HOST_BORROWS_NAME,
                    format!("{name} mượn tên của {genuine}"),
                    format!("{name} borrows the name of {genuine}"),
                    out,
                );
            }
        }
    }
    if names::mixes_scripts(&host.unicode) {
        let ascii = defanged(&host.ascii);
        once(
            &HOST_MIXED_SCRIPTS,
            format!("{name} ({ascii}) trộn chữ cái của nhiều hệ chữ"),
            format!("{name} ({ascii}) mixes letters of several scripts"),
            out,
        );
    } else if host.ascii.contains("xn--") && !names::is_below(&host.ascii, "vn") {
        // Names with Vietnamese letters are registered below .vn.
        let ascii = defanged(&host.ascii);
        once(
            &HOST_FOREIGN_LETTERS,
            format!("{name} ({ascii}) có chữ cái ngoài bảng ASCII"),
            format!("{name} ({ascii}) has letters beyond ASCII"),
            out,
        );
    }
}
