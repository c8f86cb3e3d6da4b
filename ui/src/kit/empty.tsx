import type { ReactNode } from "react";

/** Nothing to show, and what to do about it. */
export function Empty({
  icon,
  title,
  what,
  children,
}: {
  icon: ReactNode;
  title: string;
  what?: string;
  children?: ReactNode;
}) {
  return (
    <div className="flex flex-1 flex-col items-center justify-center gap-2 p-8 text-center">
      <div className="mb-1 text-faint [&_svg]:size-8 [&_svg]:stroke-[1.5]" aria-hidden>
        {icon}
      </div>
      <p className="text-base font-medium">{title}</p>
      {what && <p className="max-w-[26rem] text-soft">{what}</p>}
      {children}
    </div>
  );
}
