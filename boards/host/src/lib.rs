//! The host board: a Linux process with a file for flash.
