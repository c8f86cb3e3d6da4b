// Every word of the window comes through here.

import { type Messages, setupI18n } from "@lingui/core";
import { compileMessage } from "@lingui/message-utils/compileMessage";
import { en } from "./en";

/** A name in the catalogue. */
export type WordId = keyof typeof en;

const catalogue: Messages = Object.fromEntries(
  Object.entries(en).map(([id, text]) => [id, compileMessage(text)]),
);

const i18n = setupI18n({ locale: "en", messages: { en: catalogue } });

/** The text of a name, its values filled in. */
export function t(id: WordId, values?: Record<string, string | number>): string {
  return i18n._(id, values);
}
