"""Two pictures of the same thing: random crops, mirrored or not, with other colours. Whole batches, on any device."""

import math

import torch
from torch.nn import functional

# Share of the image that a crop shows, and the ratio of its sides.
AREA, RATIO = (0.2, 1.0), (3 / 4, 4 / 3)
COLOURED, GREYED = 0.8, 0.2
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.4, 0.4, 0.4, 0.1
LUMA = (0.299, 0.587, 0.114)
# To brightness and two colour axes (YIQ) and back: turning the two changes the hue alone.
TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


class Views:
    """Draws views. mirror: whether a mirrored image shows the same; colour: from 0, no change, to 1; grey: there is no colour."""

    def __init__(self, device, *, mirror, colour, grey):
        self.mirror, self.colour, self.grey = mirror, colour, grey
        self.generator = torch.Generator(device)
        self.device = device
        self._to = torch.tensor(TO_YIQ, device=device)
        self._back = torch.linalg.inv(torch.tensor(TO_YIQ)).to(device)
        self._luma = torch.tensor(LUMA, device=device)

    def draw(self, images, name):
        """images: float [N, 3, H, W], 0–1. name: a number; the same one gives the same views. Returns the same shape."""
        self.generator.manual_seed(name)
        return self._recoloured(self._cropped(images))

    def _cropped(self, images):
        count, _, height, width = images.shape
        area = self._between(count, *AREA)
        ratio = self._between(count, math.log(RATIO[0]), math.log(RATIO[1])).exp()
        across, down = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        left, top = (1 - across) * self._between(count, -1, 1), (1 - down) * self._between(count, -1, 1)
        if self.mirror:
            across = across * (1 - 2 * self._happens(count, 0.5))
        still = torch.zeros_like(area)
        places = torch.stack([across, still, left, still, down, top], 1).view(count, 2, 3)
        grid = functional.affine_grid(places, [count, 3, height, width], align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    def _recoloured(self, images):
        """All changes of one image are one linear map of its pixels."""
        count = images.shape[0]
        apply = self._happens(count, COLOURED) * self.colour
        brightness, contrast, saturation = (
            1 + apply * self._between(count, -by, by) for by in (BRIGHTNESS, CONTRAST, SATURATION))
        angle = apply * self._between(count, -HUE, HUE) * 2 * math.pi
        greyed = self._happens(count, GREYED) * (self.colour > 0)
        if self.grey:
            saturation, angle, greyed = torch.ones_like(angle), torch.zeros_like(angle), torch.zeros_like(angle)
        kept = saturation * (1 - greyed)
        one, none = torch.ones_like(angle), torch.zeros_like(angle)
        cos, sin = angle.cos() * kept, angle.sin() * kept
        turn = torch.stack([one, none, none, none, cos, -sin, none, sin, cos], 1).view(count, 3, 3)
        change = self._back @ turn @ self._to * (brightness * contrast).view(count, 1, 1)
        mean = torch.einsum("nchw,c->n", images, self._luma) / (images.shape[2] * images.shape[3])
        lift = ((1 - contrast) * brightness * mean).view(count, 1, 1, 1)
        changed = (change @ images.flatten(2)).view_as(images)
        return (changed + lift).clamp(0, 1)

    def _between(self, count, low, high):
        return torch.rand(count, generator=self.generator, device=self.device) * (high - low) + low

    def _happens(self, count, chance):
        return (self._between(count, 0, 1) < chance).float()
