//! The syllables of Vietnamese, each with a number that never changes: table 1 of the coding of words.
//!
//! Vietnamese is written in a closed set of syllables: the common ones stand here in the order of how often mail
//! has them, the others follow by the rules of the spelling (onset, rime, tone). The numbers are part of the
//! store's format: **nothing here may ever change**; a better table is a new one with a number of its own.

use std::collections::HashSet;

/// Common syllables, the most common first. The first ones get codes of one octet.
const COMMON: &str = "và của có là không được cho các trong một những người với đã này để khi đến về từ tại \
    thì ra phải trên cũng như nhưng vào làm công việc năm sẽ nhà nước hai đó chỉ tôi anh chị em quan hành chính \
    thể định dân thực hiện đơn vị số quy nhân sự theo ngày báo cáo kế hoạch văn bản quyết tổ chức quản lý địa \
    phương ủy ban tỉnh thành phố xã hội kinh tế thông tin yêu cầu đề nghị gửi nhận đầu tư dự án bộ sở phòng \
    nội dung hướng dẫn triển khai kiểm tra kết quả tình hình nhiệm vụ tháng năng gian thời giải pháp luật hồ sơ \
    tài liệu đính kèm điều sinh học cán bảo đảm nếu do bị sau lại hay còn nên cần muốn biết hiểu thấy nói hỏi trả \
    lời gọi điện thoại liên hệ trao đổi thảo luận thống nhất đồng ý phê duyệt ký trình xem xét phép từ chối hủy \
    bỏ thay thế gia hạn hoàn bắt kết thúc tiếp tục lớn nhỏ mới cũ cao thấp nhanh tốt xấu đủ thiếu xác đầy kịp \
    thường xuyên nghiêm túc hiệu cụ rõ ràng thiết trọng khẩn cấp bình đặc biệt chung riêng cả mỗi từng mọi vài ít \
    hơn cùng nhau đi lên xuống tới mang đưa lấy giữ đặt mở đóng bật tắt in quét chụp ghi lưu xóa tìm kiếm chọn \
    nhập xuất con gái trai bạn bố mẹ cháu cô chú bác đình cửa bàn ghế xe ô tô xăng dầu nước cơm trưa vừa rồi mấy \
    hôm tuần trước sáng nay chiều ngay lúc nào bao giờ ở đâu sao nhiêu thôi nhé ạ vâng dạ đúng sai thật lắm quá \
    khá tương đối gần xa trái phải bắc nam đông tây rất đang qua gì ai nơi ông bà mình chúng họ nó ta hoặc tuy \
    nhiên bên cạnh ngoài vì vậy mặc dù bởi nhằm căn cứ thư nghị chỉ thị tờ dự góp bổ sung sửa ban hiệu lực áp \
    dụng phối hợp chủ trì trách quyền lãnh đạo giám đốc phó trưởng chánh chuyên viên thủ bí tịch phí ngân sách \
    toán thanh quyết tạm ứng chi tổng tiền triệu tỷ nghìn trăm phần tăng giảm so kỳ đạt vượt tiêu tiến độ chậm \
    sớm hạn xử khó khăn vướng mắc tồn nguyên khắc phục hệ mềm dữ mạng máy tính khoản mật khẩu truy cập nhật sao an \
    toàn chữ tử trực tuyến dịch thủ tục cải cách chuyển hạ tầng kỹ thuật bị đường giao xây dựng đất đai môi \
    trường sạch y viện giáo dục đào tạo hóa thao du lịch lao động thương binh sách hỗ trợ hộ nghèo doanh nghiệp \
    trình gói thầu đấu đồng nghiệm thu nông thôn lúa gạo cây trồng vật nuôi tiết mưa bão lũ lụt chống thiên tai \
    cháy nổ cứu ninh trật quốc quân tòa khiếu nại tố đảng đoàn thanh niên phụ nữ cựu chiến mặt trận lễ niệm \
    khen thưởng thi đua danh biểu mẫu lục bảng mục khoản điểm trang dòng tên họ giới quê quán tộc môn tuyển bổ \
    luân nghỉ lương thuế cá khám sức khỏe bệnh cách đây kia ấy nữa mà thế rằng sống chết yêu thương nhớ vui buồn \
    đẹp xin chào cảm trân kính lòng mong chúc mừng thăm ăn uống ngủ chơi đọc viết nghe nhìn đứng ngồi chạy mua bán \
    giá hàng chợ tiền đắt rẻ trời nắng gió đêm tối mai ba bốn sáu bảy tám chín mười tám lần cái chiếc quyển tấm \
    bức lá thứ loại kiểu cách mức chỗ vùng miền huyện phường trấn khu khối cụm tòa tầng sân vườn sông núi biển đảo \
    cầu cảng bến ga tàu thuyền bay trung tâm khoa ngành nghề lĩnh vực đại tiểu trưởng phổ cơ hữu hình thức nghĩa \
    nguồn gốc lợi ích mục đích tác dụng ảnh hưởng phát sinh diễn biến xảy cao đẳng thạc sĩ tiến giáo sư bác nguyễn \
    trần lê phạm hoàng huỳnh phan vũ võ đặng bùi đỗ hồ ngô dương lý thị minh đức ngọc xuân hồng thu hương lan mai \
    hoa hùng dũng tuấn hải sơn long phong phúc tâm thảo trang yến bình châu giang hà hạnh hiếu khánh linh nga";

/// Onsets, in the order of the alphabet.
const ONSETS: &str = "- b c ch d đ g gh gi h k kh l m n ng ngh nh p ph qu r s t th tr v x";

/// Rimes without tones, the common ones first.
const RIMES: &str = "a an ang anh ao ai am ong ông inh i ung ương ươc iên ên ơi o ô u ư e ê ay ât ân âp âu ây âm âng \
    uông uôc iêt iêu iêm iêp iêc ơn ơ ac at ach ap au ăn ăng ăm ăt ăc ăp oi om on op ot oc ôi ôm ôn ôp \
    ôt ôc ui um un up ut uc ưng ưc ưt ua ưa ia y im in ip it ich iu em en et ep eo ec êt êp êm ênh êch \
    êu ơm ơp ơt oan oang oat oai oa oe uyên uyêt uân uât uôi uôn uôt uôm ươi ươn ươt ươm ươp ươu oanh \
    oach uy uê eng oăn oen oet ưi ưu oac uyt uynh uyp uych uây uơ uya oăc oăng oăt oay oao oam oap oăm \
    oeo uâng uênh oong uyu iêng yêu yên yêt yêm ynh yt ych";

/// Vowels with the five tones: grave, acute, tilde, hook, dot.
const VOWELS: [[char; 6]; 12] = [
    ['a', 'à', 'á', 'ã', 'ả', 'ạ'],
    ['ă', 'ằ', 'ắ', 'ẵ', 'ẳ', 'ặ'],
    ['â', 'ầ', 'ấ', 'ẫ', 'ẩ', 'ậ'],
    ['e', 'è', 'é', 'ẽ', 'ẻ', 'ẹ'],
    ['ê', 'ề', 'ế', 'ễ', 'ể', 'ệ'],
    ['i', 'ì', 'í', 'ĩ', 'ỉ', 'ị'],
    ['o', 'ò', 'ó', 'õ', 'ỏ', 'ọ'],
    ['ô', 'ồ', 'ố', 'ỗ', 'ổ', 'ộ'],
    ['ơ', 'ờ', 'ớ', 'ỡ', 'ở', 'ợ'],
    ['u', 'ù', 'ú', 'ũ', 'ủ', 'ụ'],
    ['ư', 'ừ', 'ứ', 'ữ', 'ử', 'ự'],
    ['y', 'ỳ', 'ý', 'ỹ', 'ỷ', 'ỵ'],
];

/// All syllables in lower case, by their numbers.
pub(super) fn table() -> Vec<String> {
    let mut known = HashSet::new();
    let mut all = Vec::new();
    let mut add = |syllable: String| {
        // A single ASCII letter is shorter as it stands.
        if syllable.len() > 1 && known.insert(syllable.clone()) {
            all.push(syllable);
        }
    };
    for syllable in COMMON.split_ascii_whitespace() {
        add(syllable.to_owned());
    }
    for rime in RIMES.split_ascii_whitespace() {
        for onset in ONSETS.split(' ') {
            let onset = if onset == "-" { "" } else { onset };
            if goes(onset, rime) {
                for syllable in tones(onset, rime) {
                    add(syllable);
                }
            }
        }
    }
    all
}

/// Whether the spelling lets an onset stand before a rime.
fn goes(onset: &str, rime: &str) -> bool {
    let front = rime.starts_with(['i', 'e', 'ê', 'y']);
    let round = rime.starts_with(['o', 'u']) && !rime.starts_with("uô");
    match onset {
        "k" | "gh" | "ngh" => front,
        "c" | "ng" => !front,
        // gì, giếng: the i of the onset and that of the rime are one.
        "g" => !front || rime.starts_with('i'),
        // The u of the onset stands for the round glide.
        "qu" => !round && !rime.starts_with(['ô', 'ư', 'i']),
        "gi" => !front || rime.starts_with('ê'),
        "" => true,
        _ => rime == "y" || !rime.starts_with('y'),
    }
}

/// The syllable with each tone that it can have, tones where either school of spelling puts them.
fn tones(onset: &str, rime: &str) -> Vec<String> {
    let stopped = rime.ends_with(['c', 'p', 't']) || rime.ends_with("ch");
    let places = tone_places(rime);
    let mut all = Vec::new();
    for tone in [0, 2, 5, 1, 4, 3] {
        if stopped && !matches!(tone, 2 | 5) {
            continue;
        }
        for &place in &places {
            let mut syllable = onset.to_owned();
            for (at, letter) in rime.chars().enumerate() {
                let row = VOWELS.iter().find(|row| row[0] == letter);
                syllable.push(match row {
                    Some(row) if at == place => row[tone],
                    _ => letter,
                });
            }
            all.push(syllable);
        }
    }
    all
}

/// Which letter of a rime carries the tone.
fn tone_places(rime: &str) -> Vec<usize> {
    let letters: Vec<char> = rime.chars().collect();
    let marked = letters
        .iter()
        .rposition(|letter| matches!(letter, 'ă' | 'â' | 'ê' | 'ô' | 'ơ' | 'ư'));
    let vowels = letters
        .iter()
        .take_while(|letter| VOWELS.iter().any(|row| row[0] == **letter))
        .count();
    match (rime, marked) {
        // hòa and hoà, khỏe and khoẻ, thủy and thuỷ.
        ("oa" | "oe" | "uy", _) => vec![0, 1],
        ("ưa" | "ưu" | "ưi", _) => vec![0],
        (_, Some(marked)) => vec![marked],
        (_, None) if vowels >= 3 || (vowels == 2 && letters.len() > 2) => vec![1],
        (_, None) => vec![0],
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    /// Stored messages name syllables by their numbers.
    #[test]
    fn the_table_never_changes() {
        let all = table();
        assert_eq!(all.len(), 17253);
        assert_eq!(
            xxh3_64(all.join(" ").as_bytes()),
            14_789_062_816_394_806_352
        );
    }

    #[test]
    fn the_rules_know_how_vietnamese_is_written() {
        let all: HashSet<String> = table().into_iter().collect();
        let written = "nghiêng khuỷu quyết hoà hòa thuỷ thủy giếng quốc ngoằn khoẻ gìn gió tuyệt nghệ quýt mười \
            chuối đứa cừu loài xoáy rượu thuở khuya ếch yến uống ưỡn";
        for syllable in written.split_ascii_whitespace() {
            assert!(all.contains(syllable), "{syllable}");
        }
    }
}
