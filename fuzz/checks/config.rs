//! `config`: whatever [`Ini`] reads, configparser reads, and they read the same.

use azward::azure::ini::Ini;

use super::ini;

/// Checks one `config`; says whether it was understood.
pub(crate) fn check(bytes: &[u8]) -> bool {
    // What is not UTF-8 is refused when the file is read.
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some(read) = Ini::parse(text) else { return false };
    let Some(expected) = ini::read(text) else { panic!("configparser raises, and this was read: {read:?}") };
    for (section, options) in &expected {
        assert!(read.has_section(section), "{section:?}");
        for (option, value) in options {
            assert_eq!(read.get(section, option), Some(value.as_str()), "{section:?} {option:?}");
            let every = expected.iter().flat_map(|(_, options)| options).filter(|(other, _)| other == option);
            let every: Vec<&str> = every.map(|(_, value)| value.as_str()).collect();
            assert_eq!(read.values_of(option).collect::<Vec<_>>(), every, "{option:?}");
        }
    }
    // Debug shows all that was read: there is nothing that configparser would not have.
    assert_eq!(format!("{read:?}"), format!("Ini {{ sections: {expected:?} }}"));
    assert!(expected.iter().flat_map(|(_, options)| options).all(|(_, value)| !value.contains('%')), "interpolation");
    true
}
