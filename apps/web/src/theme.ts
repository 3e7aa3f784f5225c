/** Hands our tokens to the component library, so that every colour keeps its one definition in tokens.css. */
import {
  createTheme,
  defaultVariantColorsResolver,
  type CSSVariablesResolver,
  type MantineColorsTuple,
} from '@mantine/core'

const all = (value: string): MantineColorsTuple =>
  Array.from({ length: 10 }, () => value) as unknown as MantineColorsTuple

export const theme = createTheme({
  primaryColor: 'accent',
  colors: { accent: all('var(--accent)'), bad: all('var(--bad)') },
  fontFamily: 'var(--font)',
  fontFamilyMonospace: 'var(--mono)',
  fontSizes: { xs: '13px', sm: '13px', md: '15px', lg: '18px', xl: '24px' },
  defaultRadius: 6,
  cursorType: 'pointer',
  focusRing: 'auto',
  // The library writes white on every filled colour; our accent is light where the page is dark.
  variantColorResolver: (input) => ({
    ...defaultVariantColorsResolver(input),
    ...(input.variant === 'filled' ? { color: 'var(--on-accent)' } : {}),
  }),
  components: {
    // No scroll lock: it writes styles that the content policy forbids. No motion: an answer to a key is at once.
    Modal: {
      defaultProps: {
        lockScroll: false,
        transitionProps: { duration: 0 },
        closeButtonProps: { 'aria-label': 'Close' },
      },
    },
    ModalRoot: { defaultProps: { lockScroll: false, transitionProps: { duration: 0 } } },
    SegmentedControl: { defaultProps: { transitionDuration: 0 } },
  },
})

const variables = {
  '--mantine-color-body': 'var(--page)',
  '--mantine-color-text': 'var(--text)',
  '--mantine-color-dimmed': 'var(--muted)',
  '--mantine-color-placeholder': 'var(--muted)',
  '--mantine-color-default': 'var(--surface)',
  '--mantine-color-default-hover': 'var(--sunken)',
  '--mantine-color-default-color': 'var(--text)',
  '--mantine-color-default-border': 'var(--line-strong)',
  '--mantine-color-error': 'var(--bad)',
  '--mantine-color-anchor': 'var(--accent)',
  '--mantine-color-accent-filled': 'var(--accent)',
  '--mantine-color-accent-filled-hover': 'var(--accent-strong)',
  '--mantine-color-accent-light': 'var(--accent-soft)',
  '--mantine-color-accent-light-hover': 'var(--accent-soft)',
  '--mantine-color-accent-light-color': 'var(--accent-strong)',
  '--mantine-primary-color-contrast': 'var(--on-accent)',
}

export const cssVariables: CSSVariablesResolver = () => ({ variables, light: variables, dark: variables })
