//! Rollout policy: (state, event, now) to (state, commands). No IO.
