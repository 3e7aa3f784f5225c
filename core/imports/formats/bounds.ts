/**
 * What a source may ask of this machine. Annotation files come from anywhere; whatever they hold, a reader keeps to
 * these bounds, says in its notes what it left out, and never opens a file by a name that an annotation gives unless
 * that file lies inside the source.
 */

const KIB = 1024
const MIB = 1024 * KIB

/** A file that speaks of a whole set (COCO, CSV, JSON lines): less than the longest text of the runtime. */
export const MAX_SET_FILE_BYTES = 500 * MIB
/** A file that speaks of one image, or lists classes. */
export const MAX_IMAGE_FILE_BYTES = 4 * MIB
/** One record of a larger file: a row, an element of a JSON array. */
export const MAX_RECORD_BYTES = 4 * MIB
/** Objects and arrays inside one another. */
export const MAX_NESTING = 64
/** Images that one source may speak of, and boxes of all of them together. */
export const MAX_ANNOTATED = 5_000_000
export const MAX_BOXES = 10_000_000
export const MAX_BOXES_OF_IMAGE = 10_000
export const MAX_TAGS_OF_IMAGE = 1_000
export const MAX_ATTRIBUTES_OF_IMAGE = 100
export const MAX_CLASSES = 10_000
/** Characters of a class, a tag or the name of an attribute, and of an attribute's text. */
export const MAX_NAME = 200
export const MAX_TEXT = 10_000
/** Pixels from the corner at which a box may begin or end. */
export const MAX_COORDINATE = 1_000_000
/** The longest path by which an annotation may name its image. */
export const MAX_PATH = 4_096
