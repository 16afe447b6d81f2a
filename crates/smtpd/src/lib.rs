//! Receives mail: answers the SMTP server machine for MX, submission and LMTP.
