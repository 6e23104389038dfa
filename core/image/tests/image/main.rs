//! Tests of the image format.
