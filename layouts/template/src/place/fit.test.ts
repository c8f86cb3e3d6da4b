// The examples that every compositor has to meet, layouts/cases/fit.json.

import { expect, it } from "vitest";
import cases from "../../../cases/fit.json";
import type { Fit } from "../../../types";
import { fitOf } from "./fit";

it.each(cases)("$why", ({ fit, picture: [width = 0, height = 0], shown }) => {
  expect(fitOf(fit as Fit, { width, height })).toBe(shown);
});
