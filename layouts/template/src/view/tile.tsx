import { type CSSProperties, memo, type ReactNode, useState } from "react";
import { fitOf, type Shape } from "../place/fit";
import type { Tag, Tile } from "../place/types";

/** What draws the moving picture of a tile; says so once it is there, and when it is of another shape. */
export type Draw = (tile: Tile, drawn: (shape: Shape) => void) => ReactNode;

interface Props {
  tile: Tile;
  /** It is no longer part of the arrangement, and on its way out. */
  leaving: boolean;
  draw: Draw;
  onDrawn: (key: string) => void;
}

// Discs and letters of a card, as shares of the tile's shorter side.
const DISC = 0.4;
const LETTERS = 0.4;

function corners({ tag }: Tile): string {
  return tag ? tag.at.replace("_", "-") : "";
}

function TagView({ tag, place }: { tag: Tag; place: string }) {
  const style: CSSProperties = { color: tag.text, background: tag.background, fontSize: tag.size };
  return (
    <div className={`tag ${place}`} style={style}>
      {tag.muted && (
        <svg className="muted" viewBox="0 0 16 16" aria-label="muted">
          <path d="M8 1.6a2.2 2.2 0 0 0-2.2 2.2v3.6a2.2 2.2 0 0 0 4.4 0V3.8A2.2 2.2 0 0 0 8 1.6Z" />
          <path className="stroke" d="M3.6 7.2v.4a4.4 4.4 0 0 0 8.8 0v-.4M8 12v2.2" />
          <path className="stroke" d="M2.4 1.9 13.6 14.1" />
        </svg>
      )}
      <bdi className="words" dir="auto">
        {tag.words}
      </bdi>
    </div>
  );
}

export const TileView = memo(function TileView({ tile, leaving, draw, onDrawn }: Props) {
  // The picture for which the card has gone. After the camera was off, its card goes again when a new one is there.
  const [drawn, setDrawn] = useState(false);
  // Known with its first picture, before which nothing of it is seen.
  const [shape, setShape] = useState<Shape>({ width: 16, height: 9 });
  if (drawn && !tile.picture) setDrawn(false);
  // A tile that is new waits for its picture with an empty place for a moment: a card that flashes up looks like a fault.
  const [fresh, setFresh] = useState(tile.picture);
  if (fresh && (drawn || !tile.picture)) setFresh(false);
  const { rect, card, border, ring } = tile;
  const short = Math.min(rect.width, rect.height);
  const place: CSSProperties = {
    left: rect.x,
    top: rect.y,
    width: rect.width,
    height: rect.height,
    // Those that leave go beneath those that stay.
    zIndex: leaving ? 0 : tile.region + 1,
    borderRadius: tile.corner,
  };
  const disc: CSSProperties = {
    background: card.disc,
    color: card.text,
    width: Math.round(short * DISC),
    height: Math.round(short * DISC),
    fontSize: Math.round(short * DISC * LETTERS),
    // Half of it moves the disc away from the name tag.
    [tile.tag?.at.startsWith("top") ? "marginTop" : "marginBottom"]: tile.tag?.size ?? 0,
  };
  const seen = drawn && tile.picture;
  const onPicture = (shape: Shape) => {
    setShape(shape);
    setDrawn(true);
    onDrawn(tile.key);
  };
  return (
    <div
      className="tile"
      data-key={tile.key}
      data-leaving={leaving || undefined}
      data-speaking={tile.speaking || undefined}
      style={place}
    >
      <div className="content">
        {tile.kind === "camera" && (
          <div
            className={fresh ? "card late" : "card"}
            style={{ background: card.background, opacity: seen ? 0 : 1 }}
          >
            <div className="moves">
              <div className="disc" style={disc}>
                <bdi>{card.initials}</bdi>
              </div>
            </div>
          </div>
        )}
        {tile.picture && (
          <div className="picture" style={{ background: tile.backdrop, opacity: seen ? 1 : 0 }}>
            <div className="moves" data-fit={fitOf(tile.fit, shape)}>
              {draw(tile, onPicture)}
            </div>
          </div>
        )}
      </div>
      <Line className="border" width={border.width} colour={border.colour} />
      <Line className="ring" width={ring.width} colour={ring.colour} />
      {tile.tag && <TagView tag={tile.tag} place={corners(tile)} />}
    </div>
  );
});

function Line({ className, width, colour }: { className: string; width: number; colour: string }) {
  return width > 0 ? <div className={className} style={{ borderWidth: width, borderColor: colour }} /> : null;
}
