// The Egress API of this computer, in the settings. What is switched is switched at once. Names for tests: region "Egress
// API on this computer"; switch "Answer on this computer"; "Port" with button "Use this port"; [data-testid=api-state]
// [data-state=off|starting|on|stopping|failed]; [data-testid=api-url] with button "Copy the address";
// [data-testid=api-example] with button "Copy the example".

import { LoaderCircle } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { ApiSettings } from "@/backend/types";
import { Button } from "@/kit/button";
import { CopyLine } from "@/kit/copy";
import { Field, Input } from "@/kit/field";
import { Notice } from "@/kit/notice";
import { Switch } from "@/kit/switch";
import { useOwnCommand } from "@/lib/commands";
import { studioNow, useStudio } from "@/store/studio";
import { t } from "@/words";

/** A port as it is typed; none where it is none. */
function portOf(text: string): number | null {
  if (!/^\d{1,5}$/.test(text.trim())) return null;
  const port = Number(text);
  return port <= 65_535 ? port : null;
}

type Shown = "off" | "starting" | "on" | "stopping" | "failed";

export function ApiSection() {
  const { on, port } = useStudio((snapshot) => snapshot.settings.api);
  const state = useStudio((snapshot) => snapshot.api);
  const [typed, setTyped] = useState(String(port));
  const wanted = portOf(typed);
  const save = useOwnCommand(async (backend, api: ApiSettings) => {
    const settings = studioNow()?.settings;
    if (settings) await backend.setSettings({ ...settings, api });
  });
  // What was asked for counts until the studio says how that went.
  const asked = save.isPending ? save.variables.on : on;
  const shown: Shown =
    asked && state.type === "off" ? "starting" : !asked && state.type !== "off" ? "stopping" : state.type;
  const moved = wanted !== null && wanted !== port;
  const takePort = () => wanted !== null && save.mutate({ on, port: wanted });
  return (
    <section aria-label={t("api")} className="flex flex-col gap-4">
      <div>
        <h3 className="label-caps">{t("api")}</h3>
        <p className="mt-1 text-xs text-faint">{t("api.what")}</p>
      </div>
      <div className="grid grid-cols-[1fr_1fr] gap-3">
        <Field label={t("api.on")}>
          {(ids) => (
            <span className="flex h-8 items-center gap-3">
              <Switch
                {...ids}
                label={t("api.on")}
                checked={asked}
                disabled={save.isPending || (wanted === null && !asked)}
                onChange={(next) => save.mutate({ on: next, port: wanted ?? port })}
              />
              <State shown={shown} />
            </span>
          )}
        </Field>
        <Field label={t("api.port")} hint={wanted === null && t("api.port.wrong")}>
          {(ids) => (
            <span className="flex items-center gap-2">
              <Input
                {...ids}
                inputMode="numeric"
                className="w-24"
                value={typed}
                aria-invalid={wanted === null || undefined}
                onChange={(event) => setTyped(event.target.value)}
                onKeyDown={(event) => {
                  if (event.key !== "Enter") return;
                  // It is not the settings around it that are to be saved.
                  event.preventDefault();
                  if (moved) takePort();
                }}
              />
              {moved && (
                <Button look="outline" size="sm" disabled={save.isPending} onClick={takePort}>
                  {t("api.port.use")}
                </Button>
              )}
            </span>
          )}
        </Field>
      </div>
      {save.error && <Notice error={save.error} />}
      {state.type === "failed" && asked && (
        <Notice error={state.error}>
          <Button
            look="outline"
            size="sm"
            disabled={save.isPending}
            onClick={() => save.mutate({ on, port })}
          >
            {t("again")}
          </Button>
        </Notice>
      )}
      {state.type === "on" && asked && <Address url={state.url} />}
    </section>
  );
}

const WORDS = {
  off: t("api.state.off"),
  starting: t("api.state.starting"),
  stopping: t("api.state.stopping"),
  on: "",
  failed: "",
};

function State({ shown }: { shown: Shown }): ReactNode {
  const moving = shown === "starting" || shown === "stopping";
  return (
    <span
      role="status"
      data-testid="api-state"
      data-state={shown}
      className="flex items-center gap-1.5 text-xs text-faint"
    >
      {moving && <LoaderCircle className="size-3.5 motion-safe:animate-spin" aria-hidden />}
      {WORDS[shown]}
    </span>
  );
}

function Address({ url }: { url: string }) {
  const key = useStudio(
    ({ projects }) => projects.list.find((one) => one.id === projects.current)?.api_key ?? "…",
  );
  // The secret is not for the window to show: it has never seen it.
  const example = `lk egress list --url ${url} --api-key ${key} --api-secret …`;
  return (
    <>
      <div className="flex flex-col gap-1">
        <p className="flex items-center gap-1.5 text-xs font-medium text-soft">
          <span className="size-2 rounded-full bg-ready" aria-hidden />
          {t("api.state.on")}
        </p>
        <CopyLine text={url} label={t("api.url.copy")} testId="api-url" />
      </div>
      <div className="flex flex-col gap-1">
        <p className="text-xs font-medium text-soft">{t("api.example")}</p>
        <CopyLine text={example} label={t("api.example.copy")} testId="api-example" />
        <p className="text-xs text-faint">{t("api.example.secret")}</p>
      </div>
    </>
  );
}
