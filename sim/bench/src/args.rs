//! The command line.

use crate::embassy::{Ending, device::Kind};
use crate::subject::parse_cuts;
use clap::Parser;
use otaru_flash::Mode;
use otaru_sim::{Cut, Scenario};
use std::path::PathBuf;

/// Cuts the power of simulated devices, everywhere, and counts what updates cost.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
#[command(bin_name = "cargo xtask sim", arg_required_else_help = true)]
pub(crate) struct Args {
    /// Run this many random cases, one per seed
    #[arg(long, value_name = "N", help_heading = "What to try")]
    pub(crate) seeds: Option<u64>,
    /// First of these seeds
    #[arg(
        long,
        value_name = "SEED",
        default_value_t = 1,
        help_heading = "What to try"
    )]
    pub(crate) from: u64,
    /// Try every cut of a case, or of every scenario on every shape of flash
    #[arg(long, value_name = "CASE", num_args = 0..=1, default_missing_value = "", help_heading = "What to try")]
    pub(crate) explore: Option<String>,
    /// Cuts in a row: 2, and 1 for a board
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u8).range(1..=4), help_heading = "What to try")]
    pub(crate) depth: Option<u8>,
    /// One cut only
    #[arg(long, help_heading = "What to try")]
    pub(crate) quick: bool,
    /// Repeat one case with the cuts of --cuts
    #[arg(long, value_name = "CASE", help_heading = "What to try")]
    pub(crate) case: Option<String>,
    /// Cuts, each counted from the one before: `12:seen,3:bits`
    #[arg(long, value_name = "CUTS", value_parser = CutsParser, help_heading = "What to try")]
    pub(crate) cuts: Option<Cuts>,

    /// Try every cut on the geometry of a board file
    #[arg(long, value_name = "FILE", help_heading = "Your own geometry")]
    pub(crate) board: Option<PathBuf>,
    /// Install mode: swap or standby
    #[arg(long, value_parser = mode, default_value = "swap", help_heading = "Your own geometry")]
    pub(crate) mode: Mode,
    /// Only this scenario
    #[arg(long, value_parser = scenario, help_heading = "Your own geometry")]
    pub(crate) scenario: Option<&'static Scenario>,
    /// Bytes of the longest image; six chunks and a half if not given
    #[arg(long, value_name = "BYTES", help_heading = "Your own geometry")]
    pub(crate) image_len: Option<u32>,

    /// Compare costs and failures with embassy-boot, and assert our budgets
    #[arg(long, help_heading = "Comparison")]
    pub(crate) compare: bool,
    /// Only assert our budgets
    #[arg(long, help_heading = "Comparison")]
    pub(crate) budgets: bool,
    /// Show what embassy-boot does to the flash with the cuts of --cuts: confirm or hang
    #[arg(long, value_name = "ENDING", value_parser = ending, help_heading = "Comparison")]
    pub(crate) embassy: Option<Ending>,
    /// On flash with ECC
    #[arg(long, requires = "embassy", help_heading = "Comparison")]
    pub(crate) ecc: bool,
    /// On flash that takes a unit once between two erases
    #[arg(long, requires = "embassy", help_heading = "Comparison")]
    pub(crate) write_once: bool,

    /// Do all of it and write a page about it; --seeds, --depth and --quick say how much
    #[arg(long, value_name = "FILE.html", help_heading = "Report")]
    pub(crate) report: Option<PathBuf>,
    /// Put the tables of --report between the marks of this page
    #[arg(
        long,
        value_name = "FILE.md",
        requires = "report",
        help_heading = "Report"
    )]
    pub(crate) docs: Option<PathBuf>,
    /// Write the figures of --compare or --report as JSON
    #[arg(long, value_name = "FILE.json", help_heading = "Report")]
    pub(crate) json: Option<PathBuf>,
}

/// Power cuts, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Cuts(pub(crate) Vec<Cut>);

/// Makes cuts one value instead of many.
#[derive(Debug, Clone)]
struct CutsParser;

impl clap::builder::TypedValueParser for CutsParser {
    type Value = Cuts;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Cuts, clap::Error> {
        parse_cuts(&value.to_string_lossy())
            .map(Cuts)
            .map_err(|text| {
                clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{text}\n"))
                    .with_cmd(command)
            })
    }
}

impl Args {
    /// Cuts in a row.
    pub(crate) fn depth(&self, usual: u8) -> usize {
        let depth = self.depth.unwrap_or(usual);
        usize::from(if self.quick { 1 } else { depth })
    }

    /// The cuts, none if none were given.
    pub(crate) fn cuts(&self) -> &[Cut] {
        self.cuts.as_ref().map_or(&[], |cuts| &cuts.0)
    }

    /// The flash under `embassy-boot`.
    pub(crate) fn kind(&self) -> Kind {
        Kind {
            ecc: self.ecc,
            overwrite: !self.write_once,
        }
    }
}

fn mode(name: &str) -> Result<Mode, String> {
    Mode::from_name(name).ok_or_else(|| "`swap` or `standby`".to_owned())
}

fn scenario(name: &str) -> Result<&'static Scenario, String> {
    Scenario::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = otaru_sim::SCENARIOS.iter().map(|s| s.name).collect();
        format!("one of {}", names.join(", "))
    })
}

fn ending(name: &str) -> Result<Ending, String> {
    Ending::from_name(name).ok_or_else(|| "`confirm` or `hang`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_makes_sense() {
        Args::command().debug_assert();
        let args = Args::try_parse_from(["x", "--explore", "--depth", "3", "--quick"]).unwrap();
        assert_eq!(args.explore.as_deref(), Some(""));
        assert_eq!(args.depth(2), 1);
        let args = Args::try_parse_from(["x", "--case", "c", "--cuts", "12:seen,3:bits"]).unwrap();
        assert_eq!(args.cuts().len(), 2);
        assert!(Args::try_parse_from(["x", "--cuts", "12:sen"]).is_err());
        assert!(Args::try_parse_from(["x", "--mode", "other"]).is_err());
        assert!(Args::try_parse_from(["x"]).is_err());
    }
}
