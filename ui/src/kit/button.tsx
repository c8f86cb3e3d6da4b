import { cva, type VariantProps } from "class-variance-authority";
import type { ComponentProps } from "react";
import { cx } from "@/lib/cx";
import { Key } from "./key";

const button = cva(
  "inline-flex shrink-0 items-center justify-center gap-2 rounded-md font-medium transition-colors disabled:cursor-not-allowed disabled:text-faint [&_svg]:size-4 [&_svg]:shrink-0",
  {
    variants: {
      look: {
        /** The one thing to do next. */
        main: "bg-ink font-semibold text-night hover:bg-white disabled:bg-control disabled:hover:bg-control",
        plain: "bg-control text-ink hover:bg-chosen disabled:hover:bg-control",
        outline:
          "border border-edge text-ink hover:bg-control disabled:border-line disabled:hover:bg-transparent",
        quiet: "text-soft hover:bg-control hover:text-ink disabled:hover:bg-transparent",
      },
      size: {
        sm: "h-7 px-2 text-xs [&_svg]:size-3.5",
        md: "h-8 px-3 text-sm",
        lg: "h-10 px-4 text-base",
        icon: "size-8",
        "icon-sm": "size-7",
      },
    },
    defaultVariants: { look: "plain", size: "md" },
  },
);

export type ButtonProps = ComponentProps<"button"> & VariantProps<typeof button> & { hotkey?: string };

/** A button. `hotkey` is shown beside the words; who listens for it is up to the view. */
export function Button({ look, size, className, hotkey, children, type, ...rest }: ButtonProps) {
  return (
    <button type={type ?? "button"} className={cx(button({ look, size }), className)} {...rest}>
      {children}
      {hotkey && <Key onLight={look === "main"}>{hotkey}</Key>}
    </button>
  );
}

export { button as buttonLook };
