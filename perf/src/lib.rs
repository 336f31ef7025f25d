//! Load generators, test phones and measuring programs.
