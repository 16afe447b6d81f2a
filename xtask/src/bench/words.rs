//! Vietnamese words and set phrases of office mail, for letters that look like what people write.
//! The words stand in the order of how common they are; the generator draws them by Zipf's law.

/// Words and compounds, the most common first.
pub(crate) const WORDS: &str = "và của các là có cho được trong với không đã một những để này người theo khi đến về \
từ tại thì đó ra phải trên cũng như nhưng vào làm công việc năm hoặc sẽ đơn vị việc số cơ quan ngày nhiều thực hiện \
còn nếu do bị sau lại quy định nhà nước hai chỉ tôi chúng tôi anh chị em mình rất đang trước qua nào gì ai nơi \
ông bà cán bộ công chức viên chức thông tin báo cáo kế hoạch văn bản quyết định tổ chức quản lý địa phương nhân dân \
ủy ban tỉnh thành phố huyện xã phường thị trấn sở phòng ban ngành lĩnh vực nội dung yêu cầu đề nghị kính gửi \
trân trọng cảm ơn xin vui lòng gửi nhận họp cuộc họp lịch thời gian địa điểm tham dự thành phần chuẩn bị tài liệu \
hồ sơ đính kèm bản sao hướng dẫn triển khai kiểm tra giám sát đánh giá kết quả tình hình giải pháp nhiệm vụ \
trọng tâm tháng quý tuần hôm nay ngày mai hôm qua sáng chiều tối giờ phút đầu cuối giữa trong đó ngoài ra tuy nhiên \
bên cạnh đồng thời vì vậy do đó mặc dù bởi vì nhằm thông qua căn cứ nghị định thông tư luật nghị quyết chỉ thị \
công văn tờ trình dự thảo ý kiến góp ý bổ sung sửa đổi ban hành hiệu lực áp dụng phối hợp chủ trì liên quan \
trách nhiệm quyền hạn lãnh đạo chỉ đạo giám đốc phó trưởng phòng chánh văn phòng chuyên viên thủ trưởng bí thư chủ tịch \
kinh phí ngân sách dự toán thanh toán quyết toán tạm ứng chi phí tổng số tiền đồng triệu tỷ nghìn phần trăm tăng giảm \
so với cùng kỳ đạt vượt chỉ tiêu tiến độ chậm sớm đúng hạn quá hạn xử lý giải quyết khó khăn vướng mắc tồn tại hạn chế \
nguyên nhân khắc phục hệ thống phần mềm dữ liệu mạng máy tính tài khoản mật khẩu truy cập cập nhật sao lưu an toàn \
bảo mật chữ ký số điện tử trực tuyến dịch vụ công hành chính thủ tục cải cách chuyển đổi số hạ tầng kỹ thuật thiết bị \
đường bộ giao thông xây dựng đất đai môi trường tài nguyên nước sạch y tế bệnh viện trường học giáo dục đào tạo \
học sinh giáo viên văn hóa thể thao du lịch lao động thương binh xã hội chính sách hỗ trợ hộ nghèo người dân doanh nghiệp \
đầu tư dự án công trình gói thầu đấu thầu hợp đồng nghiệm thu bàn giao nông nghiệp nông thôn lúa gạo cây trồng vật nuôi \
thời tiết mưa bão lũ lụt phòng chống thiên tai cháy nổ cứu hộ an ninh trật tự quốc phòng dân quân công an tòa án \
thanh tra khiếu nại tố cáo tiếp công dân đảng đoàn hội viên thanh niên phụ nữ cựu chiến binh mặt trận tổ quốc \
lễ kỷ niệm khen thưởng thi đua danh sách biểu mẫu phụ lục bảng mục điều khoản điểm trang dòng chữ tên họ sinh \
ngày tháng giới tính quê quán dân tộc trình độ chuyên môn nghiệp vụ kinh nghiệm tuyển dụng bổ nhiệm luân chuyển nghỉ hưu \
nghỉ phép lương phụ cấp bảo hiểm thuế thu nhập cá nhân khám sức khỏe vaccine dịch bệnh cách ly an sinh \
có thể cần nên muốn biết hiểu thấy nói hỏi trả lời gọi điện thoại liên hệ trao đổi thảo luận thống nhất đồng ý \
phê duyệt ký trình duyệt xem xét cho phép từ chối hủy bỏ thay thế gia hạn hoàn thành bắt đầu kết thúc tiếp tục \
lớn nhỏ mới cũ cao thấp nhanh tốt xấu đủ thiếu chính xác đầy đủ kịp thời thường xuyên nghiêm túc hiệu quả cụ thể \
rõ ràng cần thiết quan trọng khẩn cấp bình thường đặc biệt chung riêng cả mỗi từng mọi vài ít hơn nhất cùng nhau \
đi về lên xuống vào ra tới mang đưa lấy giữ để đặt mở đóng bật tắt in quét chụp ghi lưu xóa tìm kiếm chọn nhập xuất \
con gái trai bạn bố mẹ cháu cô chú bác gia đình nhà cửa phòng bàn ghế xe ô tô xăng dầu điện nước cơm trưa \
vừa rồi mấy hôm tuần trước tuần sau sáng nay chiều nay ngay lúc nào bao giờ ở đâu thế nào tại sao bao nhiêu \
thôi nhé ạ vâng dạ đúng sai thật lắm quá hơi khá tương đối gần xa trong ngoài trái phải bắc nam đông tây";

/// Set phrases, as they stand in many letters.
pub(crate) const PHRASES: &[&str] = &[
    "Kính gửi:",
    "Căn cứ chức năng, nhiệm vụ được giao",
    "Thực hiện chỉ đạo của Ủy ban nhân dân tỉnh tại Công văn số",
    "đề nghị các cơ quan, đơn vị nghiêm túc triển khai thực hiện",
    "Trong quá trình thực hiện, nếu có khó khăn, vướng mắc, đề nghị phản ánh về",
    "báo cáo kết quả thực hiện trước ngày",
    "để tổng hợp, báo cáo Ủy ban nhân dân",
    "Trân trọng cảm ơn sự quan tâm, phối hợp của Quý cơ quan",
    "Xin gửi kèm theo thư này",
    "Anh/chị vui lòng xem và cho ý kiến trước",
    "Em gửi anh chị bản dự thảo đã chỉnh sửa theo góp ý.",
    "Nhờ anh chị kiểm tra giúp và phản hồi lại cho em.",
    "Mọi thông tin xin liên hệ",
    "Rất mong nhận được sự phối hợp của đơn vị.",
    "Nơi nhận: Như trên; Lưu: VT.",
    "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
    "Độc lập - Tự do - Hạnh phúc",
    "theo quy định của pháp luật hiện hành",
    "Nghị định số 30/2020/NĐ-CP ngày 05 tháng 3 năm 2020 của Chính phủ về công tác văn thư",
];

/// Family names, middle names and given names.
pub(crate) const FAMILY: &[&str] = &[
    "Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ",
    "Hồ", "Ngô", "Dương", "Lý",
];
/// Middle names.
pub(crate) const MIDDLE: &[&str] = &[
    "Văn", "Thị", "Đức", "Minh", "Thanh", "Quốc", "Ngọc", "Hữu", "Thu", "Xuân", "Hồng", "Công",
];
/// Given names.
pub(crate) const GIVEN: &[&str] = &[
    "Anh", "Bình", "Châu", "Dũng", "Giang", "Hà", "Hải", "Hạnh", "Hiếu", "Hoa", "Hùng", "Hương",
    "Khánh", "Lan", "Linh", "Long", "Mai", "Nam", "Nga", "Phong", "Phúc", "Quân", "Sơn", "Tâm",
    "Thảo", "Trang", "Tuấn", "Yến",
];
/// Offices, for signatures and senders.
pub(crate) const OFFICES: &[&str] = &[
    "Văn phòng UBND tỉnh",
    "Sở Nội vụ",
    "Sở Tài chính",
    "Sở Thông tin và Truyền thông",
    "Phòng Tổ chức - Hành chính",
    "Ban Quản lý dự án",
    "Trung tâm Công nghệ thông tin",
    "Phòng Giáo dục và Đào tạo",
];
