//! Answers the IMAP server machine: one file a command, views, IDLE.
