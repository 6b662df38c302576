//! From figures to pixels and colours: round ticks, short labels, and two colour maps whose brightness alone tells the
//! order, for all kinds of eyes and for paper.

use farebox_engine::money::Currency;
use plotters::style::RGBColor;

/// A straight scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Where the two are, in pixels.
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Scale {
    /// A scale over some figures, with some room around them. Where all are alike, there is room all the same.
    pub(super) fn over(figures: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for figure in figures {
            (low, high) = (low.min(figure), high.max(figure));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let room = if high > low { (high - low) * 0.08 } else { (high.abs() * 0.05).max(1e-3) };
        Self { low: low - room, high: high + room, from, to }
    }

    /// A scale of shares, from none on.
    pub(super) fn of_shares(shares: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let most = shares.fold(0.0, f64::max);
        Self { low: 0.0, high: if most > 0.0 { most * 1.1 } else { 0.01 }, from, to }
    }

    pub(super) fn at(&self, figure: f64) -> f64 {
        self.from + (figure - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round figures inside of it, about so many.
    pub(super) fn ticks(&self, about: u32) -> Vec<f64> {
        let step = round_step((self.high - self.low) / f64::from(about));
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|at| at as f64 * step).collect()
    }
}

/// The first of 1, 2, 2½ and 5 times a power of ten that is not less.
fn round_step(least: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(least)));
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|times| times * power)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(power)
}

/// In which unit figures are told.
#[derive(Clone, Copy)]
pub(super) enum Told {
    Money(Currency),
    Share,
}

/// Ticks as they are labelled: with as many decimals as tell them apart.
pub(super) fn labels(ticks: &[f64], told: Told) -> Vec<String> {
    let most = ticks.iter().fold(0.0_f64, |most, tick| most.max(tick.abs()));
    let (divisor, suffix) = divided(most, told);
    let step = ticks.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(f64::INFINITY, f64::min);
    let step = if step.is_finite() { step / divisor } else { 0.1 };
    // A step of 0.25 takes two, one of 0.2 takes one.
    let is_whole = |decimals: i32| {
        let times = step * libm::pow(10.0, f64::from(decimals));
        (times - times.round()).abs() < 1e-6 && times.round() >= 1.0
    };
    let decimals = (0..8).find(|decimals| is_whole(*decimals)).unwrap_or(8) as usize;
    ticks.iter().map(|tick| dressed(tick / divisor, decimals, suffix, told)).collect()
}

/// One figure in short, such as `$21.3k` or `4.2 %`.
pub(super) fn short(figure: f64, told: Told) -> String {
    let (divisor, suffix) = divided(figure.abs(), told);
    let number = figure / divisor;
    let decimals = match (told, number.abs()) {
        (_, size) if size >= 100.0 => 0,
        (Told::Share, size) if size < 1.0 && size > 0.0 => 2,
        (Told::Money(currency), _) if suffix.is_empty() => usize::from(currency.exponent),
        (Told::Money(_), size) if size < 10.0 => 2,
        _ => 1,
    };
    dressed(number, decimals, suffix, told)
}

fn divided(most: f64, told: Told) -> (f64, &'static str) {
    match told {
        Told::Share => (0.01, " %"),
        Told::Money(currency) => {
            let major = currency.scale as f64;
            let units = [(1e9, "B"), (1e6, "M"), (1e3, "k")];
            let unit = units.into_iter().find(|(unit, _)| most >= unit * major);
            unit.map_or((major, ""), |(unit, suffix)| (unit * major, suffix))
        }
    }
}

fn dressed(number: f64, decimals: usize, suffix: &str, told: Told) -> String {
    let minus = if number < 0.0 && format!("{:.decimals$}", -number).contains(|c: char| c.is_ascii_digit() && c != '0')
    {
        "−"
    } else {
        ""
    };
    let number = format!("{:.decimals$}", number.abs());
    match told {
        Told::Share => format!("{minus}{number}{suffix}"),
        Told::Money(currency) if currency.sign.is_empty() => format!("{minus}{number}{suffix} {}", currency.code),
        Told::Money(currency) => format!("{minus}{}{number}{suffix}", currency.sign),
    }
}

// === Colours ===

/// Viridis (Smith, van der Walt 2015), at every eighth.
const VIRIDIS: [u32; 9] = [
    0x0044_0154,
    0x0047_2d7b,
    0x003b_528b,
    0x002c_728e,
    0x0021_918c,
    0x0028_ae80,
    0x005e_c962,
    0x00ad_dc30,
    0x00fd_e725,
];
/// Cividis (Nuñez, Anderton, Renslow 2018), at every eighth.
const CIVIDIS: [u32; 9] = [
    0x0000_224e,
    0x001a_386f,
    0x0041_4d6b,
    0x005c_616e,
    0x007d_7c78,
    0x009b_9376,
    0x00bc_ae6c,
    0x00de_ca58,
    0x00fe_e838,
];

/// A colour map: dark is little, bright is much.
#[derive(Clone, Copy)]
pub(super) enum Map {
    Viridis,
    Cividis,
}

impl Map {
    /// The colour of a part of one.
    pub(super) fn color(self, part: f64) -> RGBColor {
        let stops = match self {
            Self::Viridis => VIRIDIS,
            Self::Cividis => CIVIDIS,
        };
        let place = part.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let below = (place as usize).min(stops.len() - 2);
        let [low, high] = [below, below + 1].map(|at| stops[at].to_be_bytes());
        let mix = |at: usize| {
            let (low, high) = (f64::from(low[at]), f64::from(high[at]));
            (low + (high - low) * (place - below as f64)).round() as u8
        };
        RGBColor(mix(1), mix(2), mix(3))
    }
}

/// Black or white, whichever has the larger contrast with a colour: at this luminance the two are alike (WCAG 2.2).
pub(super) fn readable_on(color: RGBColor) -> RGBColor {
    if luminance(color) > 0.179 { RGBColor(0, 0, 0) } else { RGBColor(255, 255, 255) }
}

/// The relative luminance of a colour, as WCAG 2.2 defines it.
fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { libm::pow((part + 0.055) / 1.055, 2.4) }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USD: Told = Told::Money(farebox_engine::money::CURRENCIES[0]);
    const CHF: Told = Told::Money(farebox_engine::money::CURRENCIES[3]);

    #[test]
    fn ticks_are_round_and_told_apart() {
        let ticks =
            |low: f64, high: f64, told| labels(&Scale { low, high, from: 0.0, to: 1.0 }.ticks(5), told).join(" ");
        assert_eq!(ticks(19.2e12, 22.7e12, USD), "$20k $21k $22k");
        assert_eq!(ticks(20.1e12, 21.2e12, USD), "$20.25k $20.50k $20.75k $21.00k");
        assert_eq!(ticks(-1.5e9, 1.5e9, USD), "−$1 $0 $1");
        assert_eq!(ticks(0.0, 2.5e15, CHF), "0.0M CHF 0.5M CHF 1.0M CHF 1.5M CHF 2.0M CHF 2.5M CHF");
        assert_eq!(ticks(0.0, 0.066, Told::Share), "0 % 2 % 4 % 6 %");
        assert_eq!(ticks(0.0, 0.0011, Told::Share), "0.000 % 0.025 % 0.050 % 0.075 % 0.100 %");
    }

    #[test]
    fn a_figure_in_short_keeps_three_digits_or_so() {
        let told = |figure: f64| short(figure, USD);
        assert_eq!(
            [21.32e12, 999e9, 1.5e9, -2.25e12, 340e15].map(told),
            ["$21.3k", "$999", "$1.50", "−$2.25k", "$340M"]
        );
        assert_eq!(
            [0.0, 0.0042, 0.0421, 1.0].map(|share| short(share, Told::Share)),
            ["0.0 %", "0.42 %", "4.2 %", "100 %"]
        );
    }

    #[test]
    fn maps_end_where_they_should_and_grow_brighter() {
        assert_eq!(Map::Viridis.color(0.0), RGBColor(0x44, 0x01, 0x54));
        assert_eq!(Map::Cividis.color(1.0), RGBColor(0xfe, 0xe8, 0x38));
        for map in [Map::Viridis, Map::Cividis] {
            let bright = |at: i32| {
                let RGBColor(r, g, b) = map.color(f64::from(at) / 64.0);
                0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
            };
            assert!((0..64).all(|at| bright(at) < bright(at + 1) + 0.5));
        }
    }

    /// 4.5 is what WCAG asks for of small text.
    #[test]
    fn what_stands_on_a_map_can_be_read() {
        for map in [Map::Viridis, Map::Cividis] {
            for at in 0..=64 {
                let ground = map.color(f64::from(at) / 64.0);
                let (ink, ground) = (luminance(readable_on(ground)), luminance(ground));
                assert!((ink.max(ground) + 0.05) / (ink.min(ground) + 0.05) > 4.5, "{at}");
            }
        }
    }

    #[test]
    fn where_all_are_alike_there_is_still_a_scale() {
        let scale = Scale::over([5.0, 5.0].into_iter(), (0.0, 100.0));
        assert!((scale.at(5.0) - 50.0).abs() < 1e-9);
        assert!(!Scale::over(std::iter::empty(), (0.0, 1.0)).ticks(4).is_empty());
        assert!(!Scale::of_shares([0.0].into_iter(), (0.0, 1.0)).ticks(4).is_empty());
    }
}
