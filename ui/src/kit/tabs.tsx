import { Tabs as Base } from "@base-ui/react/tabs";
import type { ReactNode } from "react";

export interface Tab<T extends string> {
  value: T;
  label: string;
}

/** Pages of a dialog, one of them in sight. The others keep what is typed into them. */
export function Tabs<T extends string>({
  label,
  value,
  tabs,
  onChange,
  children,
}: {
  /** The accessible name of the row. */
  label: string;
  value: T;
  tabs: Tab<T>[];
  onChange: (value: T) => void;
  children: ReactNode;
}) {
  return (
    <Base.Root
      value={value}
      onValueChange={(next) => onChange(next as T)}
      className="flex min-h-0 flex-1 flex-col"
    >
      <Base.List
        aria-label={label}
        activateOnFocus
        className="flex shrink-0 gap-1 border-b border-line px-3 pt-2"
      >
        {tabs.map((tab) => (
          <Base.Tab
            key={tab.value}
            value={tab.value}
            className="-mb-px h-8 rounded-t-md border-b-2 border-transparent px-2.5 text-sm font-medium text-soft hover:text-ink data-active:border-ink data-active:text-ink"
          >
            {tab.label}
          </Base.Tab>
        ))}
      </Base.List>
      {children}
    </Base.Root>
  );
}

export function TabPanel({ value, children }: { value: string; children: ReactNode }) {
  return (
    <Base.Panel
      value={value}
      keepMounted
      tabIndex={-1}
      className="flex min-h-0 flex-col gap-4 overflow-y-auto p-4 outline-none data-hidden:hidden"
    >
      {children}
    </Base.Panel>
  );
}
