// Under the program of what Chromium draws: the room's layouts, or a page's address. Names for tests: group "What of it" with
// "Picture and sound", "Sound only" and "Picture only"; with sound only group "Sides"; fields "Address of the page", "Address of the template" and
// "Layout for the template"; button "Template of your own"; checkboxes "Wait for the page's start signal" and
// "If the page crashes, load it again and go on".

import {
  ArrowLeftRight,
  AudioLines,
  Bot,
  ChevronDown,
  ChevronUp,
  Clapperboard,
  LayoutTemplate,
  Users,
  Video,
} from "lucide-react";
import { useId, useState } from "react";
import { useBackend } from "@/backend/index";
import type { Job, Mixing, OpenRoom, PageParts } from "@/backend/types";
import { Button } from "@/kit/button";
import { Checkbox } from "@/kit/checkbox";
import { Input } from "@/kit/field";
import { Segments } from "@/kit/segments";
import { type PagePick, type RoomPick, setAfterCrash, setPage, setRoom, useDesk } from "@/store/desk";
import { isPageSource } from "@/store/select";
import { liveOf, type Standing } from "@/store/standing";
import { chooseLayout, useLayoutOf } from "@/store/wish";
import { t } from "@/words";
import { tellError } from "../tell";
import { AddressField } from "./address-field";
import { ChooseNothing } from "./choose-nothing";
import { LayoutRow } from "./layout-row";
import { ProgramMeter } from "./page-stage";

/** What of it the job takes, or the next one will. */
function partsOf({ job }: Standing, pick: RoomPick | PagePick): PageParts {
  return job && isPageSource(job.request.source) ? job.request.source.parts : pick.parts;
}

/** On which sides people are heard in what the job takes, or the next one will. */
function mixingOf({ job }: Standing, pick: RoomPick): Mixing {
  const source = job?.request.source;
  return (source?.type === "room_composite" ? source.mixing : pick.mixing) ?? "together";
}

export function RoomStrip({ standing, room, pick }: { standing: Standing; room: OpenRoom; pick: RoomPick }) {
  const { job } = standing;
  const live = liveOf(standing);
  const current = useLayoutOf(live) ?? pick.layout;
  const [open, setOpen] = useState(pick.baseUrl !== null);
  const more = useId();
  const parts = partsOf(standing, pick);
  const unseen = parts === "sound";
  const own = pick.baseUrl !== null;
  return (
    <>
      <div className="flex min-h-8 items-center gap-3">
        <div className="min-w-0 flex-1">
          <p className="truncate text-base font-semibold">{t("sources.room")}</p>
          <p className="truncate text-xs text-soft">
            {t(
              unseen
                ? "takes.room.sound"
                : own
                  ? "takes.template"
                  : parts === "picture"
                    ? "takes.room.picture"
                    : "takes.room",
            )}
          </p>
        </div>
        {parts !== "picture" && (
          <ProgramMeter room={room} live={live} className="h-2 w-20 shrink-0 @xl:w-28" />
        )}
        <Parts value={parts} disabled={job !== null} onChange={(value) => setRoom({ parts: value })} />
        <ChooseNothing />
      </div>
      {own || unseen ? (
        <div className="mt-2 -ml-2 flex min-h-7 flex-wrap items-center justify-between gap-x-4 gap-y-1.5">
          <More open={open} onToggle={() => setOpen(!open)} controls={more} alone />
          {unseen && !own && (
            <Sides
              value={mixingOf(standing, pick)}
              disabled={job !== null}
              onChange={(mixing) => setRoom({ mixing })}
            />
          )}
        </div>
      ) : (
        <LayoutRow current={current} onAir={standing.state === "recording" ? (job?.layout ?? current) : null}>
          <More open={open} onToggle={() => setOpen(!open)} controls={more} />
        </LayoutRow>
      )}
      {open && (
        <div id={more} className="mt-1 flex flex-col gap-2 rounded-md border border-line p-3">
          <p className="text-xs text-faint">{t("template.what")}</p>
          <div className="flex flex-wrap items-start gap-2">
            <div className="flex min-w-60 flex-[2]">
              <AddressField
                label={t("template.url")}
                placeholder={t("template.url.example")}
                value={pick.baseUrl ?? ""}
                onChange={(baseUrl) => setRoom({ baseUrl })}
              />
            </div>
            {own && <TemplateLayout value={current} />}
          </div>
          <AfterCrash job={job} />
        </div>
      )}
    </>
  );
}

/** A template of the operator's own has layouts of its own: only it knows their names. */
function TemplateLayout({ value }: { value: string }) {
  const backend = useBackend();
  const [draft, setDraft] = useState(value);
  const [seen, setSeen] = useState(value);
  if (seen !== value) {
    setSeen(value);
    setDraft(value);
  }
  return (
    <Input
      className="min-w-32 flex-1"
      aria-label={t("template.layout")}
      placeholder={t("template.layout")}
      value={draft}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={(event) => {
        const typed = event.currentTarget.value.trim();
        if (typed !== value) chooseLayout(backend, typed, tellError);
      }}
      onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
    />
  );
}

function More({
  open,
  onToggle,
  controls,
  alone,
}: {
  open: boolean;
  onToggle: () => void;
  controls: string;
  /** Nothing is beside it. */
  alone?: boolean;
}) {
  return (
    <Button
      look="quiet"
      size="sm"
      aria-expanded={open}
      aria-controls={open ? controls : undefined}
      aria-label={t("template")}
      title={t("template")}
      onClick={onToggle}
    >
      <LayoutTemplate />
      <span className={alone ? "" : "hidden @xl:inline"}>{t("template")}</span>
      {open ? <ChevronUp /> : <ChevronDown />}
    </Button>
  );
}

export function PageStrip({
  standing,
  room,
  pick,
}: {
  standing: Standing;
  room: OpenRoom | null;
  pick: PagePick;
}) {
  const { job } = standing;
  const live = liveOf(standing);
  const parts = partsOf(standing, pick);
  const awaits = job?.request.source.type === "web" ? job.request.source.await_start_signal : pick.awaitStart;
  return (
    <>
      <div className="flex min-h-8 items-start gap-3">
        <AddressField
          label={t("page.url")}
          placeholder={t("page.url.example")}
          value={pick.url}
          autoFocus={pick.url === ""}
          onChange={(url) => setPage({ url })}
        />
        <Parts value={parts} disabled={job !== null} onChange={(value) => setPage({ parts: value })} />
        <ChooseNothing />
      </div>
      <div className="mt-2.5 flex flex-wrap items-center gap-x-6 gap-y-1.5">
        <Checkbox
          checked={awaits}
          disabled={job !== null}
          onChange={(on) => setPage({ awaitStart: on })}
          label={t("page.await")}
        >
          <span title={t("page.await.what")}>{t("page.await")}</span>
        </Checkbox>
        <AfterCrash job={job} />
        {live?.page && parts !== "picture" && (
          <ProgramMeter room={room} live={live} className="ml-auto h-2 w-20 shrink-0 @xl:w-28" />
        )}
      </div>
    </>
  );
}

function AfterCrash({ job }: { job: Job | null }) {
  const next = useDesk((desk) => desk.afterCrash);
  const reload =
    (job && isPageSource(job.request.source) ? job.request.source.after_crash : next) === "reload";
  return (
    <Checkbox
      checked={reload}
      disabled={job !== null}
      onChange={(on) => setAfterCrash(on ? "reload" : "end")}
      label={t("page.crash")}
    >
      <span title={t("page.crash.what")}>{t("page.crash")}</span>
    </Checkbox>
  );
}

/** On which sides people are heard. */
function Sides({
  value,
  disabled,
  onChange,
}: {
  value: Mixing;
  disabled: boolean;
  onChange: (value: Mixing) => void;
}) {
  return (
    <Segments<Mixing>
      label={t("mixing")}
      value={value}
      disabled={disabled}
      onChange={onChange}
      options={[
        { value: "together", label: t("mixing.together"), icon: <Users /> },
        { value: "agent_left", label: t("mixing.agent_left"), icon: <Bot /> },
        { value: "alternate", label: t("mixing.alternate"), icon: <ArrowLeftRight /> },
      ]}
    />
  );
}

function Parts({
  value,
  disabled,
  onChange,
}: {
  value: PageParts;
  disabled: boolean;
  onChange: (value: PageParts) => void;
}) {
  return (
    <Segments<PageParts>
      label={t("parts")}
      value={value}
      disabled={disabled}
      onChange={onChange}
      options={[
        { value: "both", label: t("parts.both"), icon: <Clapperboard /> },
        { value: "sound", label: t("parts.sound"), icon: <AudioLines /> },
        { value: "picture", label: t("parts.picture"), icon: <Video /> },
      ]}
    />
  );
}
