//! The device manager: DDI, public API and web app over SQLite.
