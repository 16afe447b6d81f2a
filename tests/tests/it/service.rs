//! The program as an administrator meets it.

use congvu_tests::server::Server;
