//! Diagnostics, completion, hover and lenses over in-memory inputs. No IO.
