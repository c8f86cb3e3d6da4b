// How a picture lies in its tile, once it is known how large it is.

import type { Fit } from "../../../types";

/** Width and height of a picture, pixels. */
export interface Shape {
  width: number;
  height: number;
}

/** `crop`: it fills its tile; `fit`: all of it is seen. */
export function fitOf(fit: Fit, { width, height }: Shape): Exclude<Fit, "auto"> {
  if (fit !== "auto") return fit;
  return width > height ? "crop" : "fit";
}
