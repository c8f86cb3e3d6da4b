// The layouts to choose from. Names for tests: list "Layouts", in it [data-testid=layout][data-layout][data-on-air] with a
// button of the layout's title (aria-pressed); [data-testid=layout-broken]; buttons "Copy" and "Open folder".

import { Copy, FolderOpen, Moon, Sun, TriangleAlert } from "lucide-react";
import { type ReactNode, useEffect, useRef } from "react";
import { useBackend } from "@/backend/index";
import type { Broken, LayoutChoice } from "@/backend/types";
import { Button } from "@/kit/button";
import { Key } from "@/kit/key";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { useStudio } from "@/store/studio";
import { chooseLayout } from "@/store/wish";
import { t } from "@/words";
import { OnAir } from "../on-air";
import { tellError } from "../tell";
import { LayoutDrawing } from "./layout-drawing";

export function LayoutRow({
  current,
  onAir,
  children,
}: {
  /** The one that is shown, or is to be. */
  current: string;
  /** The one that is being recorded. */
  onAir: string | null;
  /** More to do, beside the buttons. */
  children?: ReactNode;
}) {
  const backend = useBackend();
  const layouts = useStudio((snapshot) => snapshot.layouts);
  const list = useRef<HTMLUListElement>(null);
  const choose = (name: string) => chooseLayout(backend, name, tellError);
  const copy = useCommand((studio, name: string) => studio.copyLayout(name));
  const folder = useCommand((studio, _: null) => studio.openLayoutsFolder());
  // One that was just copied is chosen before it is in the list; one that is broken has a card of another size.
  const card = layouts.find((layout) => layout.name === current);
  const seen = card && (card.broken ? "broken" : "whole");
  useEffect(() => {
    if (!seen) return;
    const cards = [...(list.current?.querySelectorAll<HTMLElement>("[data-layout]") ?? [])];
    cards
      .find((one) => one.dataset.layout === current)
      ?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  }, [current, seen]);
  const known = layouts.some((layout) => layout.name === current && !layout.broken);
  return (
    <>
      <div className="mt-3 flex h-7 items-center gap-1">
        <h3 className="label-caps mr-1">{t("layouts")}</h3>
        <Key>[</Key>
        <Key>]</Key>
        <span className="flex-1" />
        <Button
          look="quiet"
          size="sm"
          disabled={!known || copy.isPending}
          title={t("layout.copy.what")}
          onClick={() => copy.mutate(current, { onSuccess: choose })}
        >
          <Copy />
          {t("layout.copy")}
        </Button>
        <Button
          look="quiet"
          size="sm"
          title={t("layout.folder.what")}
          aria-label={t("layout.folder")}
          onClick={() => folder.mutate(null)}
        >
          <FolderOpen />
          <span className="hidden @xl:inline">{t("layout.folder")}</span>
        </Button>
        {children}
      </div>
      <ul
        ref={list}
        aria-label={t("layouts")}
        className="-mx-4 mt-1 flex scroll-px-10 gap-1 overflow-x-auto px-4 pb-2"
      >
        {layouts.map((layout) =>
          layout.broken ? (
            <BrokenCard
              key={layout.name}
              layout={layout}
              broken={layout.broken}
              chosen={layout.name === current}
            />
          ) : (
            <LayoutCard
              key={layout.name}
              layout={layout}
              chosen={layout.name === current}
              onAir={layout.name === onAir}
              onPick={() => choose(layout.name)}
            />
          ),
        )}
      </ul>
    </>
  );
}

function LayoutCard({
  layout,
  chosen,
  onAir,
  onPick,
}: {
  layout: LayoutChoice;
  chosen: boolean;
  onAir: boolean;
  onPick: () => void;
}) {
  const Tone = layout.light ? Sun : Moon;
  const tone = layout.light ? t("layout.light") : t("layout.dark");
  return (
    <li data-testid="layout" data-layout={layout.name} data-on-air={onAir} className="w-30 shrink-0">
      <button
        type="button"
        aria-pressed={chosen}
        aria-label={layout.title}
        aria-description={[tone, layout.portrait && t("layout.portrait"), onAir && t("state.recording")]
          .filter(Boolean)
          .join(", ")}
        title={layout.title}
        onClick={onPick}
        className={cx(
          "flex w-full flex-col gap-1.5 rounded-md border p-1.5 transition-colors focus-visible:-outline-offset-2",
          chosen ? "border-ink bg-card" : "border-transparent hover:bg-card",
        )}
      >
        <span className="relative flex h-13 items-center justify-center">
          <LayoutDrawing layout={layout} className="h-full outline-1 -outline-offset-1 outline-edge/50" />
          {onAir && (
            <span className="absolute top-1 left-1 flex">
              <OnAir />
            </span>
          )}
        </span>
        <span className="flex min-w-0 items-start gap-1 text-left">
          <span dir="auto" className="line-clamp-2 min-h-8 min-w-0 flex-1 text-xs break-words">
            {layout.title}
          </span>
          <Tone className="mt-0.5 size-3 shrink-0 text-faint" aria-hidden />
        </span>
      </button>
    </li>
  );
}

/** Where in the document the fault is. */
function placeOf({ path, line, column }: Broken): string {
  if (line !== undefined) return t("layout.broken.line", { line, column: column ?? 1 });
  return path || t("layout.broken.whole");
}

/** One of the operator's own that cannot be drawn: to be seen and put right, not to be chosen. */
function BrokenCard({
  layout,
  broken,
  chosen,
}: {
  layout: LayoutChoice;
  broken: Broken;
  /** It was on when it was broken. */
  chosen: boolean;
}) {
  return (
    <li
      data-testid="layout-broken"
      data-layout={layout.name}
      className={cx(
        "w-60 shrink-0 rounded-md border bg-look-dim p-2 text-xs",
        chosen ? "border-look" : "border-look/40",
      )}
    >
      <p className="flex items-center gap-1.5 font-medium text-look">
        <TriangleAlert className="size-3.5 shrink-0" aria-hidden />
        <span className="truncate" dir="auto" title={layout.title}>
          {t("layout.broken", { name: layout.title })}
        </span>
      </p>
      <p className="mt-1 truncate text-soft" title={placeOf(broken)} data-selectable>
        {placeOf(broken)}
      </p>
      <p className="mt-0.5 line-clamp-2 text-ink" title={broken.reason} data-selectable>
        {chosen ? t("layout.broken.stays", { reason: broken.reason }) : broken.reason}
      </p>
    </li>
  );
}
