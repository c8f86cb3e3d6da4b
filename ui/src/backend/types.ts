// The shapes of the command surface: generated from the Rust types, so that the two cannot drift apart.
export type * from "./bindings/index";
