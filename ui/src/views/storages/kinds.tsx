import { Cloud, Container, Database, FolderOpen, type LucideIcon, Server } from "lucide-react";
import { t } from "@/words";
import { KINDS, type Kind } from "./draft";

export const KIND_ICONS: Record<Kind, LucideIcon> = {
  s3: Database,
  gcp: Cloud,
  azure: Container,
  ali_oss: Server,
  local: FolderOpen,
};

/** The first question. */
export function KindChoice({ onChoose }: { onChoose: (kind: Kind) => void }) {
  return (
    <ul aria-label={t("storage.kind")} className="flex flex-col gap-1.5">
      {KINDS.map((kind, index) => {
        const Icon = KIND_ICONS[kind];
        return (
          <li key={kind}>
            <button
              type="button"
              data-testid="storage-kind"
              data-kind={kind}
              autoFocus={index === 0}
              onClick={() => onChoose(kind)}
              className="flex w-full items-center gap-3 rounded-md border border-line bg-card px-3 py-2.5 text-left transition-colors hover:border-edge hover:bg-control"
            >
              <Icon className="size-5 shrink-0 stroke-[1.5] text-soft" aria-hidden />
              <span className="min-w-0">
                <span className="block font-medium">{t(`storage.kind.${kind}`)}</span>
                <span className="block text-xs text-faint">{t(`storage.kind.${kind}.what`)}</span>
              </span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}
