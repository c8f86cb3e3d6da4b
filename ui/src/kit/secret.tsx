import { Eye, EyeOff } from "lucide-react";
import { type ComponentProps, useState } from "react";
import { cx } from "@/lib/cx";
import { Button } from "./button";
import { Input } from "./field";

/** A line to type something secret into: hidden, until whoever types wants to look. */
export function SecretInput({
  show,
  hide,
  className,
  ...rest
}: ComponentProps<"input"> & {
  /** The names of the button that shows it, and hides it again. */
  show: string;
  hide: string;
}) {
  const [shown, setShown] = useState(false);
  return (
    <div className="relative">
      <Input {...rest} type={shown ? "text" : "password"} className={cx("pr-9", className)} />
      <Button
        look="quiet"
        size="icon-sm"
        className="absolute top-0.5 right-0.5"
        aria-label={shown ? hide : show}
        aria-pressed={shown}
        onClick={() => setShown(!shown)}
      >
        {shown ? <EyeOff /> : <Eye />}
      </Button>
    </div>
  );
}
