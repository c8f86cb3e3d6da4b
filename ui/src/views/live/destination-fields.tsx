// An address to stream to, and how it is kept. Names for tests: labels "Address with key", "Name"; buttons "Show the
// address", "Hide the address"; of a WebSocket the choice "Sound"; checkboxes "Accept any certificate", "Save for later", "Keep the key for this run only".

import { useState } from "react";
import type { ApiError, Destination, DestinationInput, SoundFormat, StreamInput } from "@/backend/types";
import { Checkbox } from "@/kit/checkbox";
import { Choice } from "@/kit/choice";
import { Field, Input } from "@/kit/field";
import { SecretInput } from "@/kit/secret";
import { useStudio } from "@/store/studio";
import { t } from "@/words";

/** What is typed. It lives as long as the form, and is shown nowhere else. */
export interface Draft {
  url: string;
  name: string;
  save: boolean;
  thisRunOnly: boolean;
  anyCertificate: boolean;
  sound: SoundFormat;
}

const SOUNDS: SoundFormat[] = ["stereo48k", "mono16k"];

const isTls = (address: string) => /^\s*rtmps:\/\//i.test(address);
const isSocket = (address: string) => /^\s*wss?:\/\//i.test(address);

/** A draft, empty or of a saved destination. Without a keyring nothing is kept longer than this run. */
export function useDraft(of: Destination | null, save: boolean) {
  const keyringError = useStudio((snapshot) => snapshot.projects.keyring_error);
  const fresh: Draft = {
    url: "",
    name: of && of.name !== of.address ? of.name : "",
    save,
    thisRunOnly: of?.key === "this_run" || (keyringError !== null && (!of || of.key === "missing")),
    anyCertificate: of?.any_certificate ?? false,
    sound: of?.sound ?? "stereo48k",
  };
  const [draft, setDraft] = useState(fresh);
  return {
    draft,
    set: (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part })),
    clear: () => setDraft(fresh),
  };
}

/** Whether the certificate can be passed over: it can where there is one. */
const anyCertificate = ({ anyCertificate, url }: Draft, of: Destination | null) =>
  anyCertificate && isTls(url.trim() || (of?.address ?? ""));

export function inputOf(draft: Draft, of: Destination | null = null): DestinationInput {
  return {
    name: draft.name.trim(),
    url: draft.url.trim() || null,
    any_certificate: anyCertificate(draft, of),
    sound: draft.sound,
    this_run_only: draft.thisRunOnly,
  };
}

export const streamOf = (draft: Draft): StreamInput => ({
  type: "url",
  url: draft.url.trim(),
  any_certificate: anyCertificate(draft, null),
  sound: draft.sound,
});

/** Whether an error is about what was typed. */
export const isWrong = (error: ApiError | null) => error?.code === "invalid_argument";

export function DestinationFields({
  draft,
  set,
  of = null,
  wrong,
  choose,
  autoFocus,
}: {
  draft: Draft;
  set: (part: Partial<Draft>) => void;
  /** The saved one that is edited. */
  of?: Destination | null;
  /** The address is none. */
  wrong: boolean;
  /** It need not be saved. */
  choose?: boolean;
  autoFocus?: boolean;
}) {
  const keyringError = useStudio((snapshot) => snapshot.projects.keyring_error);
  const kept = of !== null && of.key !== "missing";
  const address = draft.url.trim() || (of?.address ?? "");
  const socket = isSocket(address);
  const what = socket ? t("dest.sound.what") : t("dest.url.hint");
  const hint = kept ? t("dest.url.kept", { address: of.address }) : what;
  return (
    <>
      <Field label={t("dest.url")} hint={hint}>
        {(ids) => (
          <SecretInput
            {...ids}
            show={t("dest.url.show")}
            hide={t("dest.url.hide")}
            value={draft.url}
            placeholder={kept ? "" : t("dest.url.example")}
            onChange={(event) => set({ url: event.target.value })}
            aria-invalid={wrong || undefined}
            autoFocus={autoFocus}
          />
        )}
      </Field>
      {isTls(address) && (
        <Checkbox checked={draft.anyCertificate} onChange={(on) => set({ anyCertificate: on })}>
          <span>
            {t("dest.anyCertificate")}
            <span className="block text-xs text-faint">{t("dest.anyCertificate.what")}</span>
          </span>
        </Checkbox>
      )}
      {socket && (
        <Field label={t("dest.sound")} hint={kept ? t("dest.sound.what") : undefined}>
          {({ id }) => (
            <Choice
              id={id}
              value={draft.sound}
              options={SOUNDS.map((sound) => ({
                value: sound,
                label: t(`dest.sound.${sound}`),
                hint: t(`dest.sound.${sound}.what`),
              }))}
              onChange={(sound) => set({ sound })}
            />
          )}
        </Field>
      )}
      {choose && (
        <Checkbox checked={draft.save} onChange={(on) => set({ save: on })}>
          <span>{t("dest.save")}</span>
        </Checkbox>
      )}
      {draft.save && (
        <>
          <Field label={t("dest.name")} hint={t("dest.name.hint")}>
            {(ids) => (
              <Input
                {...ids}
                dir="auto"
                value={draft.name}
                placeholder={t("dest.name.example")}
                onChange={(event) => set({ name: event.target.value })}
              />
            )}
          </Field>
          <Checkbox
            checked={draft.thisRunOnly}
            onChange={(on) => set({ thisRunOnly: on })}
            disabled={keyringError !== null && draft.thisRunOnly}
          >
            <span>
              {t("dest.thisRun")}
              <span className="block text-xs text-faint">
                {t(draft.thisRunOnly ? "dest.thisRun.what" : "dest.keyring.what")}
              </span>
            </span>
          </Checkbox>
        </>
      )}
    </>
  );
}
