import { Check, Copy } from "lucide-react";
import { Fragment, useState } from "react";
import { cx } from "@/lib/cx";
import { t } from "@/words";
import { Button } from "./button";

/** Puts a text onto the clipboard, and says that it is there. */
export function CopyButton({
  text,
  label,
  className,
}: {
  text: string;
  /** What is copied, in words. */
  label: string;
  className?: string;
}) {
  const [copied, setCopied] = useState("");
  const done = copied === text;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(text);
    } catch {
      setCopied("");
    }
  };
  return (
    <Button
      look="quiet"
      size="icon-sm"
      className={cx("size-6", className)}
      aria-label={label}
      title={done ? t("copied") : label}
      onClick={copy}
    >
      {done ? <Check /> : <Copy />}
    </Button>
  );
}

/** A text that is to be used elsewhere, with the button that copies it. */
export function CopyLine({ text, label, testId }: { text: string; label: string; testId?: string }) {
  return (
    <div className="flex items-start gap-2 rounded-md border border-line bg-night py-1 pr-1 pl-2.5">
      <code
        dir="ltr"
        data-selectable
        data-testid={testId}
        className="min-w-0 flex-1 py-0.5 font-sans text-sm text-balance [overflow-wrap:anywhere]"
      >
        {/* Browsers break lines at hyphens, and an option of a command is one word. */}
        {text.split(" ").map((word, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: words have no other name, and the text is drawn as a whole
          <Fragment key={at}>
            {at > 0 && " "}
            <span className="inline-block max-w-full">{word}</span>
          </Fragment>
        ))}
      </code>
      <CopyButton text={text} label={label} />
    </div>
  );
}
