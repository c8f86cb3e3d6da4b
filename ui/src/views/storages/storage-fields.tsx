// What each kind of storage is asked for. Names for tests: the labels in the catalogue ("Bucket", "Region", …), the
// button "More"; [data-testid=credentials-of] once a key file of Google's is there.

import { ChevronDown, FileKey, FolderOpen } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { Button } from "@/kit/button";
import { Checkbox } from "@/kit/checkbox";
import { Field, Input, inputLook } from "@/kit/field";
import { SecretInput } from "@/kit/secret";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { t } from "@/words";
import { byIdentity, type Draft, emailOf, needsMore, takesIdentity } from "./draft";

/** The names of what is typed as text. */
type TextName = {
  [K in keyof Draft]: Draft[K] extends string ? K : never;
}[keyof Draft];

export interface FormState {
  draft: Draft;
  set: (part: Partial<Draft>) => void;
  /** The field that the last error is about. */
  wrong: keyof Draft | null;
  /** Whether keys must be given: none are kept. */
  keysNeeded: boolean;
}

export function Text({
  form: { draft, set, wrong },
  name,
  label,
  hint,
  example,
  secret,
  required,
  autoFocus,
  className,
}: {
  form: FormState;
  name: TextName;
  label: string;
  hint?: ReactNode;
  example?: string;
  secret?: boolean;
  required?: boolean;
  autoFocus?: boolean;
  className?: string;
}) {
  return (
    <Field label={label} hint={hint} className={className}>
      {(ids) => {
        const props = {
          ...ids,
          value: draft[name],
          placeholder: example,
          required,
          autoFocus,
          "aria-invalid": wrong === name || undefined,
          onChange: (event: { target: { value: string } }) => set({ [name]: event.target.value }),
        };
        if (!secret) return <Input {...props} dir="auto" />;
        return (
          <SecretInput
            {...props}
            autoComplete="new-password"
            show={t("storage.secret.show", { what: label })}
            hide={t("storage.secret.hide", { what: label })}
          />
        );
      }}
    </Field>
  );
}

/** Where the objects go, and the keys for it. */
export function KindFields({ form }: { form: FormState }) {
  const { kind } = form.draft;
  switch (kind) {
    case "s3":
      return (
        <>
          <div className="grid grid-cols-[3fr_2fr] gap-3">
            <Bucket form={form} />
            <Text
              form={form}
              name="region"
              label={t("storage.region")}
              example={t("storage.region.example")}
            />
          </div>
          <p className="-mt-2 text-xs text-faint">{t("storage.region.hint")}</p>
          <Text
            form={form}
            name="endpoint"
            label={t("storage.endpoint")}
            example={t("storage.endpoint.s3.example")}
            hint={t("storage.endpoint.s3.hint")}
          />
          <Identity form={form} />
          <KeyPair form={form} />
        </>
      );
    case "gcp":
      return (
        <>
          <Bucket form={form} />
          <Identity form={form} />
          <Credentials form={form} />
        </>
      );
    case "azure":
      return (
        <>
          <div className="grid grid-cols-2 gap-3">
            <Text
              form={form}
              name="account_name"
              label={t("storage.account")}
              example={t("storage.account.example")}
              required
              autoFocus
            />
            <Text
              form={form}
              name="container_name"
              label={t("storage.container")}
              example={t("storage.container.example")}
              required
            />
          </div>
          <Identity form={form} />
          {!byIdentity(form.draft) && (
            <Text
              form={form}
              name="account_key"
              label={t("storage.accountKey")}
              hint={t("storage.accountKey.hint")}
              secret
              required={form.keysNeeded}
            />
          )}
        </>
      );
    case "ali_oss":
      return (
        <>
          <Bucket form={form} />
          <Text
            form={form}
            name="endpoint"
            label={t("storage.endpoint")}
            example={t("storage.endpoint.oss.example")}
            hint={t("storage.endpoint.oss.hint")}
            required
          />
          <KeyPair form={form} />
        </>
      );
    case "local":
      return <Folder form={form} />;
  }
}

function Bucket({ form }: { form: FormState }) {
  return (
    <Text
      form={form}
      name="bucket"
      label={t("storage.bucket")}
      example={t("storage.bucket.example")}
      required
      autoFocus
    />
  );
}

/** Whether this computer itself stands in for keys: what its environment, its files or its instance say it is. */
function Identity({ form: { draft, set } }: { form: FormState }) {
  if (!takesIdentity(draft.kind)) return null;
  return (
    <Checkbox
      checked={draft.machine_identity}
      onChange={(on) => set({ machine_identity: on })}
      label={t("storage.identity")}
    >
      <span>
        {t("storage.identity")}
        <span className="block text-xs text-faint">{t(`storage.identity.${draft.kind}`)}</span>
      </span>
    </Checkbox>
  );
}

function KeyPair({ form }: { form: FormState }) {
  if (byIdentity(form.draft)) return null;
  return (
    <div className="grid grid-cols-2 gap-3">
      <Text form={form} name="access_key" label={t("storage.accessKey")} secret required={form.keysNeeded} />
      <Text form={form} name="secret" label={t("storage.secretKey")} secret required={form.keysNeeded} />
    </div>
  );
}

function Folder({ form: { draft, set, wrong } }: { form: FormState }) {
  const choose = useCommand((backend, _: null) => backend.chooseFolder());
  return (
    <Field label={t("storage.folder")}>
      {(ids) => (
        <div className="flex gap-2">
          <Input
            {...ids}
            value={draft.folder}
            placeholder={t("storage.folder.example")}
            required
            autoFocus
            aria-invalid={wrong === "folder" || undefined}
            onChange={(event) => set({ folder: event.target.value })}
          />
          <Button onClick={() => choose.mutate(null, { onSuccess: (folder) => folder && set({ folder }) })}>
            <FolderOpen />
            {t("settings.folder.choose")}
          </Button>
        </div>
      )}
    </Field>
  );
}

/** So long is no key file, bytes. */
const LONGEST_FILE = 64 << 10;

/** A key file of Google's. Once it is one it is not shown any more, only whose it is. */
function Credentials({ form: { draft, set, wrong, keysNeeded } }: { form: FormState }) {
  const file = useRef<HTMLInputElement>(null);
  const email = emailOf(draft.credentials);
  const notOne = draft.credentials.trim() !== "" && email === null;
  const read = async (chosen: File | undefined) => {
    // What cannot be read, or is too long, is no key file either.
    if (chosen) set({ credentials: chosen.size > LONGEST_FILE ? "?" : await chosen.text().catch(() => "?") });
    if (file.current) file.current.value = "";
  };
  if (draft.machine_identity) return null;
  return (
    <Field
      label={t("storage.credentials")}
      hint={
        notOne ? (
          <span className="text-look">{t("storage.credentials.wrong")}</span>
        ) : email ? undefined : (
          t("storage.credentials.hint")
        )
      }
    >
      {(ids) => (
        <div className="flex items-start gap-2">
          {email ? (
            <p
              className="flex h-8 min-w-0 flex-1 items-center gap-2 rounded-md border border-line px-2.5"
              data-testid="credentials-of"
              title={email}
            >
              <FileKey className="size-4 shrink-0 text-ready" aria-hidden />
              <span className="truncate">{t("storage.credentials.of", { email })}</span>
            </p>
          ) : (
            <textarea
              {...ids}
              rows={1}
              value={draft.credentials}
              required={keysNeeded}
              spellCheck={false}
              autoComplete="off"
              aria-invalid={notOne || wrong === "credentials" || undefined}
              onChange={(event) => set({ credentials: event.target.value })}
              className={cx(inputLook, "resize-none py-1.5 [-webkit-text-security:disc]")}
            />
          )}
          {email ? (
            <Button onClick={() => set({ credentials: "" })}>{t("storage.credentials.another")}</Button>
          ) : (
            <Button onClick={() => file.current?.click()}>
              <FolderOpen />
              {t("storage.credentials.file")}
            </Button>
          )}
          <input
            ref={file}
            type="file"
            accept=".json,application/json"
            tabIndex={-1}
            aria-hidden
            data-testid="credentials-file"
            className="hidden"
            onChange={(event) => void read(event.target.files?.[0])}
          />
        </div>
      )}
    </Field>
  );
}

/** What few need. Opens by itself where something of it is set, or wrong. */
export function MoreFields({ form }: { form: FormState }) {
  const { draft, set, wrong } = form;
  const needed = needsMore(draft, wrong);
  const [open, setOpen] = useState(needed);
  const id = useId();
  useEffect(() => {
    if (needed) setOpen(true);
  }, [needed]);
  if (draft.kind === "local") return null;
  return (
    <div className="flex flex-col gap-3">
      <Button
        look="quiet"
        size="sm"
        className="-ml-2 self-start"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        <ChevronDown className={cx("transition-transform", !open && "-rotate-90")} />
        {t("storage.more")}
      </Button>
      <div id={id} className={cx("flex flex-col gap-3", !open && "hidden")}>
        {draft.kind === "azure" && (
          <Text
            form={form}
            name="endpoint"
            label={t("storage.endpoint")}
            example={t("storage.endpoint.azure.example")}
            hint={t("storage.endpoint.azure.hint")}
          />
        )}
        {draft.kind === "ali_oss" && (
          <Text form={form} name="region" label={t("storage.region")} hint={t("storage.region.oss.hint")} />
        )}
        {draft.kind === "s3" && (
          <>
            <Checkbox
              checked={draft.force_path_style}
              onChange={(on) => set({ force_path_style: on })}
              label={t("storage.pathStyle")}
            >
              <span>
                {t("storage.pathStyle")}
                <span className="block text-xs text-faint">{t("storage.pathStyle.hint")}</span>
              </span>
            </Checkbox>
            {!byIdentity(draft) && (
              <Text
                form={form}
                name="session_token"
                label={t("storage.sessionToken")}
                hint={t("storage.sessionToken.hint")}
                secret
              />
            )}
            <div className="grid grid-cols-2 gap-3">
              <Text
                form={form}
                name="assume_role_arn"
                label={t("storage.role")}
                example={t("storage.role.example")}
              />
              <Text form={form} name="external_id" label={t("storage.externalId")} secret />
            </div>
            <Field label={t("storage.metadata")} hint={t("storage.metadata.hint")}>
              {(ids) => (
                <textarea
                  {...ids}
                  rows={2}
                  value={draft.metadata}
                  placeholder={t("storage.metadata.example")}
                  spellCheck={false}
                  aria-invalid={wrong === "metadata" || undefined}
                  onChange={(event) => set({ metadata: event.target.value })}
                  className={cx(inputLook, "h-auto resize-none py-1.5")}
                />
              )}
            </Field>
            <div className="grid grid-cols-2 gap-3">
              <Text
                form={form}
                name="tagging"
                label={t("storage.tagging")}
                example={t("storage.tagging.example")}
              />
              <Text
                form={form}
                name="content_disposition"
                label={t("storage.disposition")}
                example={t("storage.disposition.example")}
              />
            </div>
          </>
        )}
        {(draft.kind === "s3" || draft.kind === "gcp") && (
          <>
            <Text
              form={form}
              name="proxy_url"
              label={t("storage.proxy")}
              example={t("storage.proxy.example")}
              hint={t("storage.proxy.hint")}
            />
            {draft.proxy_url.trim() !== "" && (
              <div className="grid grid-cols-2 gap-3">
                <Text form={form} name="proxy_user" label={t("storage.proxy.user")} secret />
                <Text form={form} name="proxy_password" label={t("storage.proxy.password")} secret />
              </div>
            )}
          </>
        )}
      </div>
    </div>
  );
}
