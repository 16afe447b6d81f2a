//! People who do not exist: common names combined, addresses at domains that are reserved.

use crate::random::Random;
use crate::writing::bare;

const FAMILY: [&str; 22] = [
    "Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ",
    "Hồ", "Ngô", "Dương", "Lý", "Đinh", "Trương", "Lương", "Mai", "Tạ", "Hà",
];
const MIDDLE: [&str; 20] = [
    "Văn", "Thị", "Đức", "Minh", "Thanh", "Quốc", "Ngọc", "Hữu", "Thu", "Xuân", "Hồng", "Công",
    "Quang", "Bích", "Kim", "Đình", "Thế", "Anh", "Phương", "Khánh",
];
const GIVEN: [&str; 48] = [
    "Anh", "Bình", "Châu", "Dũng", "Giang", "Hà", "Hải", "Hạnh", "Hiếu", "Hoa", "Hùng", "Hương",
    "Khánh", "Lan", "Linh", "Long", "Mai", "Nam", "Nga", "Phong", "Phúc", "Quân", "Sơn", "Tâm",
    "Thảo", "Trang", "Tuấn", "Yến", "Cường", "Diệp", "Đạt", "Hiền", "Hoàn", "Huệ", "Kiên", "Lâm",
    "Loan", "Lộc", "Ngân", "Nhung", "Oanh", "Quỳnh", "Thắng", "Thủy", "Tiến", "Toàn", "Vinh",
    "Xuyến",
];

/// A name and an address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    /// As in From; may be empty.
    pub(crate) name: String,
    pub(crate) address: String,
}

/// A full name.
pub(crate) fn name(random: &mut Random) -> String {
    let (family, middle, given) = (
        random.pick(&FAMILY),
        random.pick(&MIDDLE),
        random.pick(&GIVEN),
    );
    format!("{family} {middle} {given}")
}

/// The last word of a name, by which people call each other.
pub(crate) fn given(name: &str) -> &str {
    name.rsplit(' ').next().unwrap_or(name)
}

/// Somebody at a domain, with an address made of the name as offices do.
pub(crate) fn somebody(domain: &str, random: &mut Random) -> Person {
    let name = name(random);
    let plain = bare(&name).to_lowercase();
    let words: Vec<&str> = plain.split(' ').collect();
    let (family, middle, given) = (words[0], words[1], words[words.len() - 1]);
    let initial = |word: &str| word.chars().next().unwrap_or('x');
    let number = random.below(90) + 10;
    let local = match random.below(5) {
        0 => format!("{given}{}{}", initial(family), initial(middle)),
        1 => format!("{given}.{family}{number}"),
        2 => format!("{}{}{given}{number}", initial(family), initial(middle)),
        3 => format!("{family}{middle}{given}"),
        _ => format!("{given}{middle}{number}"),
    };
    Person {
        name,
        address: format!("{local}@{domain}"),
    }
}
