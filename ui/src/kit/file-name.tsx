/** So much of a name's end stays: what tells takes apart, and the kind of file. */
const END = 11;
/** Room for it, in widths of a figure: some letters are wider. */
const END_CH = END + 2;

/** A file's name that fits: where it is too long its middle goes. */
export function FileName({ name }: { name: string }) {
  const letters = [...name];
  const end = letters.slice(-END).join("");
  const begin = letters.slice(0, -END).join("");
  return (
    <span dir="auto" className="block truncate text-left">
      <span className="inline-block truncate align-bottom" style={{ maxWidth: `calc(100% - ${END_CH}ch)` }}>
        {begin}
      </span>
      <bdi>{end}</bdi>
    </span>
  );
}
