//! Vietnamese charsets: every letter, text with a wrong label or none, and no other language taken for Vietnamese.

use std::collections::HashMap;

use congvu_message::{charset, words};

const MARKED: &str = "áàảãạăắằẳẵặâấầẩẫậéèẻẽẹêếềểễệíìỉĩịóòỏõọôốồổỗộơớờởỡợúùủũụưứừửữựýỳỷỹỵđ";

/// Octets of every character of a charset, found by decoding all there are; with two octets, for those that need them.
fn octets(label: &str, pairs: bool) -> HashMap<char, Vec<u8>> {
    let mut known = HashMap::new();
    let mut add = |octets: &[u8]| {
        let text = charset::decode(label, octets);
        let mut chars = text.chars();
        if let (Some(c), None) = (chars.next(), chars.next())
            && c != char::REPLACEMENT_CHARACTER
        {
            known.entry(c).or_insert(octets.to_vec());
        }
    };
    (32..=255).for_each(|b: u8| add(&[b]));
    (0..32).for_each(|b: u8| add(&[b]));
    if pairs {
        let firsts = (128..=255).chain(*b"aeiouyAEIOUY");
        for first in firsts {
            (64..=255).for_each(|second: u8| add(&[first, second]));
        }
    }
    known
}

#[track_caller]
fn encode(known: &HashMap<char, Vec<u8>>, text: &str) -> Vec<u8> {
    let of = |c: char| known.get(&c).unwrap_or_else(|| panic!("{c:?}")).clone();
    text.chars().flat_map(of).collect()
}

#[test]
fn all_letters() {
    let all = format!("{MARKED}{}", MARKED.to_uppercase());
    assert_eq!(all.chars().count(), 134);
    for label in ["viscii", "tcvn", "vps", "vni", "windows-1258"] {
        let known = octets(label, matches!(label, "vni" | "windows-1258"));
        for c in all.chars() {
            let coded = encode(&known, &format!("n{c} {c}"));
            assert_eq!(
                charset::decode(label, &coded),
                format!("n{c} {c}"),
                "{label}"
            );
        }
    }
    // TCVN3 has no capitals with tone.
    let known = octets("tcvn3", false);
    let coded = encode(&known, &format!("{MARKED}ĂÂÊÔƠƯĐ"));
    assert_eq!(charset::decode("TCVN3", &coded), format!("{MARKED}ĂÂÊÔƠƯĐ"));
}

#[test]
fn viqr() {
    let marks = [
        ("aáàảãạ", "a", ""),
        ("ăắằẳẵặ", "a", "("),
        ("âấầẩẫậ", "a", "^"),
        ("eéèẻẽẹ", "e", ""),
        ("êếềểễệ", "e", "^"),
        ("iíìỉĩị", "i", ""),
        ("oóòỏõọ", "o", ""),
        ("ôốồổỗộ", "o", "^"),
        ("ơớờởỡợ", "o", "+"),
        ("uúùủũụ", "u", ""),
        ("ưứừửữự", "u", "+"),
        ("yýỳỷỹỵ", "y", ""),
    ];
    for (letters, base, mark) in marks {
        for (letter, tone) in letters.chars().zip(["", "'", "`", "?", "~", "."]) {
            let typed = format!("{base}{mark}{tone}n {}{mark}{tone}", base.to_uppercase());
            let expected = format!("{letter}n {}", letter.to_uppercase());
            assert_eq!(charset::decode("VIQR", typed.as_bytes()), expected);
        }
    }
    let check = |typed: &str, expected: &str| {
        assert_eq!(
            charset::decode("viqr", typed.as_bytes()),
            expected,
            "{typed}"
        );
    };
    check("ddu+o+`ng DDa? Dda?", "đường Đả Đả");
    check(r"gi`\? co' la\. a\dd C:\\x", "gì? có la. add C:\\x");
    assert_eq!(charset::decode("", b"so^' 12"), "so^' 12");
}

const LETTER: &str = "Kính gửi: Văn phòng và các đơn vị trực thuộc.\r\nCăn cứ kế hoạch công tác năm nay, đề nghị các \
    đồng chí gửi báo cáo về phòng trước ngày mười tháng sau; những việc đã làm được và chưa làm được nêu rõ lý do.\r\n";
const SUBJECTS: [&str; 3] = [
    "Công văn số 12",
    "Giấy mời họp",
    "Báo cáo tổng hợp tháng 7 gửi cơ quan",
];

/// What is Windows-1252 for who believes the label.
fn western(bytes: &[u8]) -> String {
    let one = |&b: &u8| charset::decode("windows-1252", &[b]).into_owned();
    bytes.iter().map(one).collect()
}

#[test]
fn wrong_labels() {
    for label in [
        "tcvn3",
        "tcvn",
        "vni",
        "viscii",
        "vps",
        "windows-1258",
        "utf-8",
    ] {
        let known = octets(label, matches!(label, "vni" | "windows-1258"));
        for text in SUBJECTS.iter().chain([&LETTER]) {
            let coded = match label {
                "utf-8" => text.as_bytes().to_vec(),
                _ => encode(&known, text),
            };
            for named in [
                "",
                "us-ascii",
                "iso-8859-1",
                "windows-1252",
                "windows-1258",
                "x-user-defined",
                "no-such",
                "utf-8",
            ] {
                assert_eq!(charset::decode(named, &coded), *text, "{label} as {named}");
            }
            // Octets that Windows-1252 leaves out are lost in such a mistake.
            let mistaken = western(&coded);
            if !mistaken.contains(char::REPLACEMENT_CHARACTER) {
                let read = charset::decode("utf-8", mistaken.as_bytes());
                assert_eq!(read, *text, "{label}");
            }
        }
        if label != "utf-8" {
            let subject = encode(&known, SUBJECTS[0]);
            assert_eq!(words::decode(&subject), SUBJECTS[0], "{label}");
            let typed = subject
                .iter()
                .fold(String::new(), |typed, b| typed + &format!("={b:02X}"));
            let word = format!("=?iso-8859-1?Q?{typed}?=");
            assert_eq!(words::decode(word.as_bytes()), SUBJECTS[0], "{label}");
        }
    }
}

#[test]
fn fonts_of_capitals_and_quotation_marks() {
    let known = octets("tcvn3", false);
    let typed = encode(&known, "CộNG HòA Xã HộI CHủ NGHĩA VIệT NAM “Độc lập”");
    // One capital alone may begin a sentence: "Xã".
    let expected = "CỘNG HÒA Xã HỘI CHỦ NGHĨA VIỆT NAM “Độc lập”";
    assert_eq!(charset::decode("", &typed), expected);
    let html = [
        b"<html><head><style>p { font-family: .VnTime }</style></head><body><p>".to_vec(),
        encode(&known, "Công văn số 12 của sở</p>"),
    ];
    let text = charset::decode("iso-8859-1", &html.concat()).into_owned();
    assert!(text.ends_with("<p>Công văn số 12 của sở</p>"), "{text}");
}

#[test]
fn octet_a0_of_a_letter_is_no_blank() {
    let text = "vào nhà nước, Ngày à";
    for label in ["", "utf-8", "us-ascii", "iso-8859-1-x"] {
        assert_eq!(charset::decode(label, text.as_bytes()), text);
    }
    assert_eq!(words::decode(" vào nhà\r\n à \r\n".as_bytes()), "vào nhà à");
}

const LANGUAGES: [(&str, &str); 15] = [
    (
        "windows-1252",
        "l’été déjà là où très bien français où ça dû île forêt août garçon reçu né thé bœuf naïve \
        Noël à même être élève dés vélo café pâte tôt hôtel sûr goût la de les et nous avons réunion prévue",
    ),
    (
        "windows-1252",
        "für über schön Tür groß daß muß größe Grüße Straße können müssen wäre hätte Köln früh süß \
        äußern Öl öde üben Bär nächste Woche wir haben und der die das mit Überweisung Anhänge",
    ),
    (
        "windows-1252",
        "på så får två är när då må gå nå för där också även åt än ö å över måste möte bör själv \
        en det jeg på blåbær smørrebrød år nå også få gå små tær sø bø lå og vi skal",
    ),
    (
        "windows-1252",
        "mañana año señor está qué cómo más sí él tú té día aquí café niño ñu über corazón acción \
        reunión próxima años también según los las una para",
    ),
    (
        "windows-1252",
        "não são você é avó avô mãe pão lã já só pé fé até informação reunião às à há três mês após \
        órgão também câmara os as um uma",
    ),
    (
        "windows-1252",
        "è più perché città così già là né sé tè lì dà può università qualità ciò giù dì sì virtù \
        la riunione di domani sarà",
    ),
    (
        "windows-1252",
        "þú það ég á í ó já nú né hún við þá úr að fá sjá bú mán ís æ ð öl dögum síðan",
    ),
    (
        "windows-1252",
        "hyvää päivää tämä että sä mä ääni yö työ kokous pöytä äiti hän ällä jää löytyä ei ole",
    ),
    (
        "windows-1250",
        "příliš žluťoučký kůň úpěl ďábelské ódy že já tě mě být není více děkuji schůze něco dá má bít \
        až při už je to na se",
    ),
    (
        "windows-1250",
        "zażółć gęślą jaźń się że są być będę dziękuję już też cię mąż łódź święto proszę na do nie",
    ),
    (
        "windows-1250",
        "árvíztűrő tükörfúrógép és él én ő is nagyon köszönöm ülés szép jól fél hét már ön lő bő a az",
    ),
    (
        "windows-1254",
        "için çok güzel şimdi değil büyük görüşmek üzere toplantı yarın saat öğle bir iş dün gün ve bu",
    ),
    (
        "windows-1251",
        "и в не на я что тот быть с он как это по но они мы уважаемые коллеги совещание завтра да нет ты",
    ),
    (
        "koi8-r",
        "и в не на я что тот быть с он как это по но они мы уважаемые коллеги совещание завтра да нет ты",
    ),
    (
        "windows-1253",
        "και το να η της με που για δεν από θα είναι τα σας καλημέρα συνάντηση αύριο εγώ εσύ ναι",
    ),
];

const FAR_EAST: [(&str, &str); 4] = [
    (
        "shift_jis",
        "会議 の お知らせ 明日 午後 です ます 資料 を 添付 しました カタカナ テスト よろしく は が",
    ),
    (
        "euc-jp",
        "会議 の お知らせ 明日 午後 です ます 資料 を 添付 しました カタカナ テスト よろしく は が",
    ),
    (
        "gb18030",
        "会议 通知 明天 下午 我们 的 是 在 有 请 查收 附件 谢谢 你好 不 了 人 这 中国 工作",
    ),
    (
        "euc-kr",
        "회의 안내 내일 오후 입니다 자료 를 첨부 합니다 감사 안녕 우리 는 가 이 한국",
    ),
];

/// Texts of words in any order, of two to sixty words: nothing of them is ever taken for Vietnamese.
#[test]
fn other_languages_are_left_alone() {
    let mut random = fastrand::Rng::with_seed(1258);
    let singles = LANGUAGES.iter().map(|&(label, list)| (label, list, false));
    let doubles = FAR_EAST.iter().map(|&(label, list)| (label, list, true));
    let (mut texts, mut taken) = (0, Vec::new());
    for (label, list, pairs) in singles.chain(doubles) {
        let known = octets(label, pairs);
        let list: Vec<&str> = list.split_whitespace().collect();
        for round in 0..120 {
            let count = if round % 2 == 0 {
                random.usize(2..8)
            } else {
                random.usize(8..60)
            };
            let chosen: Vec<&str> = (0..count)
                .filter_map(|_| random.choice(&list))
                .copied()
                .collect();
            let text = chosen.join(" ");
            let coded = encode(&known, &text);
            texts += 1;
            let plain = western(&coded);
            if charset::decode("iso-8859-1", &coded) != plain
                || charset::decode("utf-8", text.as_bytes()) != text
                || charset::decode("utf-8", plain.as_bytes()) != plain
            {
                taken.push((label, text));
            }
        }
    }
    assert!(taken.is_empty(), "{} of {texts}: {taken:?}", taken.len());
}
