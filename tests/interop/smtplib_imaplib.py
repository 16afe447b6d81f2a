"""Sends with Python's smtplib and reads, searches, moves and deletes with imaplib. Fails by assertion."""
import email
import email.policy
import imaplib
import smtplib
import ssl
import sys
from email.message import EmailMessage

host, submission, submissions, imap_port, imaps, sender, receiver, password = sys.argv[1:9]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def letter(subject):
    message = EmailMessage()
    message["From"] = f"Nguyễn Văn An <{sender}>"
    message["To"] = receiver
    message["Subject"] = subject
    message.set_content("Kính gửi: Văn phòng\n\nV/v báo cáo công tác tuần vào nhà nước.\n.\n.. hai chấm đầu dòng\n")
    message.add_attachment(bytes(range(256)) * 600, maintype="application", subtype="pdf", filename="Báo cáo số 12.pdf")
    return message


with smtplib.SMTP(host, int(submission)) as smtp:
    smtp.ehlo()
    assert "auth" not in smtp.esmtp_features, "AUTH offered in clear"
    smtp.starttls(context=context)
    smtp.ehlo()
    for feature in ("size", "8bitmime", "smtputf8", "chunking", "pipelining", "dsn", "enhancedstatuscodes"):
        assert feature in smtp.esmtp_features, feature
    smtp.login(sender, password)
    smtp.send_message(letter("Báo cáo tuần thứ nhất"))
    try:
        smtp.sendmail("khac@xa.test", [receiver], b"From: khac@xa.test\r\n\r\nx\r\n")
        raise SystemExit("a foreign sender was accepted")
    except smtplib.SMTPException:
        pass

with smtplib.SMTP_SSL(host, int(submissions), context=context) as smtp:
    smtp.login(sender, password)
    smtp.send_message(letter("Báo cáo tuần thứ hai"))

plain = imaplib.IMAP4(host, int(imap_port))
assert "LOGINDISABLED" in plain.capabilities, plain.capabilities
plain.starttls(context)
plain.login(receiver, password)
plain.logout()

box = imaplib.IMAP4_SSL(host, int(imaps), ssl_context=context)
box.login(receiver, password)
status, data = box.select("INBOX")
assert status == "OK" and int(data[0]) >= 2, data
status, data = box.uid("SEARCH", "CHARSET", "UTF-8", "SUBJECT", '"bao cao tuan"')
assert status == "OK", data
uids = data[0].split()
assert len(uids) == 2, data
status, data = box.uid("FETCH", uids[0], "(UID FLAGS BODY.PEEK[])")
message = email.message_from_bytes(data[0][1], policy=email.policy.default)
assert message["Subject"] == "Báo cáo tuần thứ nhất", message["Subject"]
assert "vào nhà nước" in message.get_body().get_content()
assert ".. hai chấm" in message.get_body().get_content()
attachment = next(message.iter_attachments())
assert attachment.get_filename() == "Báo cáo số 12.pdf"
assert attachment.get_content() == bytes(range(256)) * 600
assert message["Received"] and message["Message-ID"] and message["Date"] and message["Return-Path"]

assert box.uid("STORE", uids[0], "+FLAGS", "(\\Seen \\Answered $Forwarded)")[0] == "OK"
status, data = box.uid("FETCH", uids[0], "(FLAGS)")
assert b"\\Answered" in data[0] and b"$Forwarded" in data[0], data
# "Văn bản đến" in modified UTF-7.
assert box.create('"V&AQM-n b&HqM-n &AREevw-n"')[0] == "OK"
assert box.uid("MOVE", uids[0], '"V&AQM-n b&HqM-n &AREevw-n"')[0] == "OK"
assert box.uid("STORE", uids[1], "+FLAGS", "(\\Deleted)")[0] == "OK"
assert box.expunge()[0] == "OK"
status, data = box.uid("SEARCH", "SUBJECT", "tuan")
assert data[0] == b"" or data[0] is None, data
status, data = box.select('"V&AQM-n b&HqM-n &AREevw-n"')
assert status == "OK" and int(data[0]) == 1, data
box.logout()
print("all well")
