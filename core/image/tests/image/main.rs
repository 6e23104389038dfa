//! Tests of the image format: A4 (damage), A5 (signature), A6 (wrong target), and interoperability
//! with imgtool.
#![expect(
    clippy::unwrap_used,
    reason = "clippy spares tests, but not the functions they share"
)]

mod accept;
mod damage;
mod dependency;
mod encryption;
mod forge;
mod imgtool;
mod imgtool_parts;
mod keys;
mod malformed;
mod p256;
mod parts;
mod random;
mod refuse;
mod small;
mod vector_parts;
mod vectors;
mod wycheproof;
