// The colours, once. `styles.css` takes them as variables (see `installPalette`), the contrast test takes them
// as numbers. Each colour means one thing: greys are surfaces, red is on air, green is ready or healthy,
// amber is "look at this".

export const palette = {
  /** Behind everything, and around pictures. */
  night: "#090b0e",
  /** Panels. */
  panel: "#0f1216",
  /** Cards in a panel. */
  card: "#161a20",
  /** Controls, and what the pointer is over. */
  control: "#20262e",
  /** What is pressed or chosen. */
  chosen: "#2b333d",
  /** Lines between surfaces. */
  line: "#232931",
  /** Edges of things that can be typed into or pressed. */
  edge: "#626d7b",
  /** Text. */
  ink: "#eef1f6",
  /** Second text. */
  soft: "#aab4c0",
  /** Third text; still legible. */
  faint: "#939eac",
  /** The tally light, as a surface under white text. */
  tally: "#d5221b",
  /** The tally light, as text and lines. */
  tallyInk: "#ff6258",
  /** Ready, healthy. */
  ready: "#46cf86",
  /** A surface under ready text. */
  readyDim: "#10251a",
  /** Look at this. */
  look: "#f0b549",
  /** A surface under amber text. */
  lookDim: "#261d0c",
} as const;
