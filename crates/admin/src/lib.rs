//! Every administrative act exactly once, and the control socket.
